package sgdgd

// varies are the paths that the analyses set themselves (claims.Claim.Varies).
var varies = map[string][]string{
	"P3.3": {"local.optimizer.sgd.weight_decay", "model.init"},
	"P3.4": {"seed"},
	"P3.6": {"seed"},
	"P3.7": {"server", "local.prox_mu"},
	"P3.9": {"seed"},
}
