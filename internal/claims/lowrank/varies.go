package lowrank

// varies are the paths that the analyses set themselves (claims.Claim.Varies).
var varies = map[string][]string{
	"P1.1":  {"seed", "local.optimizer.sgd.lr"},
	"P1.2":  {"seed", "local.optimizer.sgd.weight_decay"},
	"P1.3":  {"seed", "local.batch"},
	"P1.4":  {"seed", "local.optimizer.sgd.weight_decay"},
	"P1.6":  {"shards.count", "local.steps"},
	"P1.7":  {"shards.count", "local.steps"},
	"P1.8":  {"seed", "local.batch", "local.optimizer.sgd.lr", "local.optimizer.sgd.weight_decay"},
	"P1.9":  {"seed", "local.optimizer.sgd.weight_decay"},
	"P1.10": {"seed", "local.optimizer.sgd.weight_decay"},
	"P1.13": {"seed", "local.batch", "local.optimizer.sgd.lr", "local.optimizer.sgd.weight_decay", "local.steps"},
	"P1.14": {"seed", "local.batch", "local.optimizer.sgd.lr", "local.optimizer.sgd.weight_decay"},
}
