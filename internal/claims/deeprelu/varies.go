package deeprelu

// varies are the paths that the analyses set themselves (claims.Claim.Varies).
var varies = map[string][]string{
	"P2.3": {"seed"},
	"P2.4": {"seed"},
	"P2.6": {"seed", "model.init", "shards.count"},
	"P2.7": {"seed", "model.init"},
	"P2.8": {"seed", "model.init"},
}
