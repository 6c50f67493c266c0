package fedavg

// varies are the paths that the analyses set themselves (claims.Claim.Varies).
var varies = map[string][]string{
	"A1.1": {"seed", "local.optimizer.sgd.lr", "participation.fraction", "rounds"},
	"A1.2": {"seed", "local.optimizer.sgd.lr", "participation.fraction", "rounds"},
	"A1.3": {"seed", "local.optimizer.sgd.lr", "participation.fraction", "rounds"},
	"A1.4": {"seed", "local.optimizer.sgd.lr", "participation.fraction", "rounds", "shards.partition"},
	"A1.5": {"seed", "local.optimizer.sgd.lr", "local.epochs", "local.batch", "rounds"},
}
