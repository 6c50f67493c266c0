package localsteps

// varies are the paths that the analyses set themselves (claims.Claim.Varies).
var varies = map[string][]string{
	"P6.1": {"seed", "precision"},
	"P6.2": {"seed", "precision"},
	"P6.3": {"seed"},
	"P6.4": {"seed", "precision", "model.layers", "model.init", "local.steps", "local.optimizer.sgd.lr"},
	"P6.5": {"seed", "precision", "model.layers", "model.init", "local.steps", "local.optimizer.sgd.lr"},
	"P6.6": {"seed", "local.steps", "local.batch", "shards.partition"},
	"P6.7": {"seed", "local.steps", "model.mlp.hidden"},
	"P6.8": {"seed", "shards.partition"},
	"P6.9": {"local.steps", "local.optimizer.sgd.lr"},
}
