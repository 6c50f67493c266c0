package entropy

import (
	"context"
	"fmt"
	"strings"

	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/internal/figure"
)

// hiddenPath is what the claims about sizes vary; where the user has set it there is one network, the user's.
const hiddenPath = "model.mlp.hidden"

// widerUnits is the larger width of P4.1.
const widerUnits = 256

// The paper's other shapes at its middle size; A is the spec's own, constant.
var otherShapes = []struct{ name, hidden string }{
	{"B, widening", "32, 64, 128"}, {"C, narrowing", "64, 32, 16"}, {"D, hourglass", "64, 32, 64"}, {"E, diamond", "32, 64, 32"},
}

// shapeSeeds are few: nothing rests on the shapes.
const shapeSeeds = 3

// accuracies trains P4.1's network with other hidden layers at every slope.
func accuracies(ctx context.Context, lab *claims.Lab, hidden string, seeds int) (table, error) {
	var arms [][]string
	for _, a := range wideSlopes {
		arms = append(arms, []string{leaky(a), hiddenPath + "=[" + hidden + "]"})
	}
	trials, err := grid(ctx, lab, "P4.1", arms, claims.Seeds(seeds))
	if err != nil {
		return table{}, err
	}
	return tabulate(wideSlopes, trials, func(t *trial) float64 { return t.Accuracy }), nil
}

// wider adds the network of 256 units a layer to the verdict.
func wider(ctx context.Context, lab *claims.Lab, narrow *claims.Outcome) (*claims.Outcome, error) {
	accuracy, err := accuracies(ctx, lab, fmt.Sprintf("%d, %d, %d", widerUnits, widerUnits, widerUnits), claims.Pick(lab, 0, 6, 20))
	if err != nil {
		return nil, err
	}
	other := judgeWide(accuracy)
	narrow.Why, other.Why = "32 units: "+narrow.Why, fmt.Sprintf("%d units: %s", widerUnits, other.Why)
	o := claims.All(narrow, other)
	o.Setup = narrow.Setup + fmt.Sprintf("; and with three layers of %d, %d seeds", widerUnits, len(accuracy.values[0]))
	o.Predicted = narrow.Predicted
	o.Measured = narrow.Measured + fmt.Sprintf("; with %d units %s", widerUnits, bySlope(accuracy, "%.3f"))
	drawAccuracy(lab, placeWider, fmt.Sprintf("%d units a layer", widerUnits), accuracy)
	writeDown(lab, "entropy-accuracy-wider", accuracy)
	return o, nil
}

// shapes shows the paper's other shapes beside the verdict, without a part in it.
func shapes(ctx context.Context, lab *claims.Lab, o *claims.Outcome) error {
	p := figure.Panel{Title: "MNIST, other shapes (no verdict)", X: "slope a", Y: "test accuracy"}
	var words []string
	for _, shape := range otherShapes {
		accuracy, err := accuracies(ctx, lab, shape.hidden, shapeSeeds)
		if err != nil {
			return err
		}
		means := accuracy.means()
		words = append(words, fmt.Sprintf("%s: best at %v", shape.name, accuracy.slopes[argmax(means)]))
		p.Lines = append(p.Lines, line(shape.name, accuracy))
		writeDown(lab, "entropy-accuracy-shape-"+shape.name[:1], accuracy)
	}
	addPanel(lab, placeShapes, p)
	o.Measured += "; other shapes (no verdict): " + strings.Join(words, ", ")
	return nil
}
