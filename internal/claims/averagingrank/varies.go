package averagingrank

// varies are the paths that the analyses set themselves (claims.Claim.Varies).
var varies = map[string][]string{
	"P1.11":  {"seed", "shards.count", "local.steps"},
	"P1.11c": {"seed", "shards.count", "local.steps", "local.batch"},
	"P1.12b": {"seed", "shards.count"},
	"P1.12c": {"seed", "model.mlp.norm", "shards.count", "shards.partition", "local.steps", "local.batch", "local.optimizer.sgd.weight_decay", "rounds"},
	"P1.12d": {"seed", "model.mlp.norm", "shards.count", "shards.partition", "local.steps", "local.batch", "local.optimizer.sgd.weight_decay", "rounds"},
}
