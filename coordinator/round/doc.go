// Package round decides the life of one round: which worker trains which shard, what counts as an answer, when the
// round closes, and when it has to fail or be given up.
//
// Rules:
//
//   - A Machine is a pure function of the events and times that it was given: no goroutine, no clock, no network, no
//     randomness, no iteration over maps. Equal steps give equal actions. One goroutine owns it and carries out what
//     it says; whoever else wants to know something asks that goroutine.
//   - Every invited shard is in exactly one state: open, assigned (somebody trains it), trained (the result waits at
//     its worker, perhaps inside a local sum), answered (counted by the coordinator), or left out (diverged).
//   - A shard is counted once. Its result is a pure function of (seed, round, shard, start), so whoever answers first
//     counts and every other holder is told to abandon it. A sum counts whole or not at all.
//   - Nothing counts that Machine.Accepts did not accept. The owner keeps asking, adding and reporting Answered
//     together: no other push may be accepted in between.
//   - Tasks of a lost worker are open again in the same step, and go to others in that step if there is capacity.
//   - Tasks and results of a worker that lives and has finished nothing for Policy.TaskLimit go to others where others can
//     be tried; who is the last that can is left alone.
//   - A deadline may follow what earlier rounds took: Adaptive is a pure function of the times that their Close actions tell.
//   - A task that diverged is never tried again. A task whose bytes were refused goes elsewhere if anybody else can
//     serve it; MaxRefusals refusals of one shard fail the run.
//   - A round without any answer never closes as a success.
//   - A step applies all its events first, then looks at the time: a worker that joins at the last instant still
//     rescues the round. Time never runs backwards inside a Machine.
//   - The machine ends once, with exactly one of Close, Fail and GiveUp as its last action; afterwards it is silent.
//   - At any time Machine.Wait says whom the round waits for and until when, and Machine.Wake when to step next.
package round
