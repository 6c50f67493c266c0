// Package async decides the life of a run whose rule is asynchronous (localsgd.Asynchronous): which worker trains which shard
// from which model, what counts, and when a round has all its updates. It is to such runs what package round is to one round.
//
// Rules:
//
//   - A Machine is a pure function of the events and times that it was given: no goroutine, no clock, no network, no
//     randomness, no iteration over maps. Equal steps give equal actions. One goroutine owns it.
//   - A task is a shard and the version, the round, of the model that it starts from. It counts at most once in the whole run,
//     whoever brings it: its update is a function of both. A shard has one task at a time, unless a worker brings another
//     from an earlier session.
//   - Tasks begin from the newest model only, and a worker gets its next one when the last was counted or is lost: a slot
//     trains one task at a time, and none waits, lest it grow old. So many tasks as Plan.Tasks run at once.
//   - Which shard begins next is the first of the open round's candidates, in the order in which the owner has drawn them.
//   - The update that fills the buffer closes the round, and nothing counts or begins until the next one is open.
//   - A task whose model has become too old is taken back when a round opens, and noted as discarded.
//   - Nothing counts that Machine.Accepts did not accept. The owner keeps asking, adding and reporting Answered together.
//   - Tasks of a lost worker, and of one that has finished nothing for Policy.TaskLimit and has somebody to stand in for it, are
//     free again. Who was taken a task from for its silence gets new ones only where nobody else can train the shard.
//   - A task that diverged is never tried again. MaxRefusals refusals of a shard in a row fail the run.
//   - While a task runs there is no giving up: the machine gives up when none has run, and none could be begun, for GiveUp.
//   - A round that is made again (Opened.Only) takes its recorded tasks and no others.
//   - The machine ends once, with Fail or GiveUp; afterwards it is silent.
package async
