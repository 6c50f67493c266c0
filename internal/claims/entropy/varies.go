package entropy

// varies are the paths that the analyses set themselves (claims.Claim.Varies).
var varies = map[string][]string{
	"P4.1": {"seed", "model.mlp.activation"},
	"P4.2": {"seed", "model.mlp.activation"},
	"P4.3": {"seed", "model.mlp.activation"},
	"P4.4": {"seed", "model.mlp.activation"},
	"P4.5": {"seed", "model.mlp.activation"},
	"P4.6": {"seed", "model.mlp.activation"},
	"P4.7": {"seed"},
	"P4.8": {"seed", "model.mlp.activation"},
	"P4.9": {"seed", "model.mlp.activation"},
}
