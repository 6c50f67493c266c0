package splines

// varies are the paths that the analyses set themselves (claims.Claim.Varies).
var varies = map[string][]string{
	"P5.1": {"seed"},
	"P5.2": {"seed", "model.shallow.skip", "regularize.path_norm"},
	"P5.3": {"seed", "model.shallow.skip", "regularize.path_norm"},
	"P5.5": {"seed", "model.shallow.skip", "regularize.path_norm"},
	"P5.6": {"data.synthetic.function.of", "data.synthetic.function.noise"},
	"P5.7": {"seed", "model.shallow.activation"},
	"P5.8": {"seed", "model.shallow.skip", "regularize.path_norm"},
}
