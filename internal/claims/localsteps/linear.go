package localsteps

import (
	"context"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/internal/kernel"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
)

// The bounds of P6.4, relative to the inequality's right side, and of P6.9, relative to the first residual.
const (
	exact64 = 1e-10
	exact32 = 1e-5
)

var linearSteps = []int{1, 5, 50, 500}

// linearised is P6.9.
func linearised(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	results := make([]*regression, len(linearSteps))
	err := lab.Each(ctx, len(linearSteps), func(ctx context.Context, i int) (err error) {
		results[i], err = regress(ctx, lab, linearSteps[i], linearSteps[i])
		return err
	})
	if err != nil {
		return nil, err
	}
	o := judgeLinear(results)
	o.Setup = fmt.Sprintf("linear regression on shards with shifted inputs, whole shards, the largest stable step, H %v, %d rounds", linearSteps, len(results[0].loss)-1)
	o.Predicted = "residuals (I - G S)^R r_0; r'Sr falls in every round, to the factor^2R of the first at most, with a factor below 1, and so the loss to 0; the factor does not rise with H"
	var worst64, worst32 claims.Worst
	words := ""
	for _, r := range results {
		worst64.Merge(r.off64)
		worst32.Merge(r.off32)
		words += fmt.Sprintf(" H=%d: factor %.4f, r'Sr %.1e of the first (factor^2R: %.1e), loss %.1e;", r.steps, r.factor, r.energy,
			math.Pow(r.factor, 2*float64(len(r.loss)-1)), r.loss[len(r.loss)-1]/r.loss[0])
	}
	o.Measured = fmt.Sprintf("residuals off by %.1e (float64), %.1e (float32);%s", worst64.Value(), worst32.Value(), words)
	drawLinear(lab, results)
	return o, nil
}

// standstill is the asymptotic factor above which the loss would not go to 0: 1, but for the rounding of eigenvalues.
const standstill = 1 - 1e-9

// judgeLinear judges the parts of the claim. What goes to 0 is r'Sr, at least as fast as the factor's powers, and with it the loss,
// since S is positive: a loss after so many rounds has no bound of its own that would not be loose.
func judgeLinear(results []*regression) *claims.Outcome {
	var parts []*claims.Outcome
	var factors claims.Worst
	for i, r := range results {
		if math.IsNaN(r.factor) {
			return claims.Untested("the claim is about more inputs than examples, and G is singular here")
		}
		named := func(what string, o *claims.Outcome) {
			o.Why = fmt.Sprintf("H = %d, %s: %s", r.steps, what, o.Why)
			parts = append(parts, o)
		}
		named("residuals in float64", r.off64.Test(exact64))
		named("residuals in float32", r.off32.Test(exact32))
		named("rise of r'Sr", r.rise.Test(exact64))
		named("r'Sr above the factor's powers", r.above.Test(exact64))
		if r.above.N() > 0 {
			named("asymptotic factor", claims.TestBound(r.factor, standstill))
		}
		if i > 0 {
			factors.Add(r.factor - results[i-1].factor)
		}
	}
	return claims.All(append(parts, factors.Test(exact64))...)
}

// regression is what came of one number of local steps.
type regression struct {
	steps        int
	off64, off32 claims.Worst // distances of residuals from the law, over the norm of the first
	rise         claims.Worst // relative rises of r'Sr from round to round
	above        claims.Worst // of the root of r'Sr above the factor's power, over the first
	energy       float64      // r'Sr after the last round over the first
	factor       float64      // 1 - the least eigenvalue of G^(1/2) S G^(1/2)
	loss         []float64    // by round, mean square of the residuals
}

// regress trains with a number of local steps and compares with the law of another, which is the same but in the control.
func regress(ctx context.Context, lab *claims.Lab, steps, lawSteps int) (*regression, error) {
	base, err := lab.Setting("P6.9", append(lab.Yielding(claims.Pick(lab, []string{"rounds=60"}, nil, nil)...), fmt.Sprintf("local.steps=%d", steps))...)
	if err != nil {
		return nil, err
	}
	job := *base.Job
	if job.Data, err = shifted(job.Data, job.Shards); err != nil {
		return nil, err
	}
	law := newLaw(&job)
	job.Local.SGD.LR = law.step / 2
	law.prepare(lawSteps)
	s := &claims.Setting{Spec: base.Spec, Job: &job, Algorithm: base.Algorithm}
	out := &regression{steps: steps, factor: law.factor()}
	single, err := residuals[float32](ctx, s, s.Spec.Rounds)
	if err != nil {
		return nil, err
	}
	double, err := residuals[float64](ctx, s, s.Spec.Rounds)
	if err != nil {
		return nil, err
	}
	out.off32, out.off64 = law.compare(single), law.compare(double)
	for r, v := range double {
		out.loss = append(out.loss, mat.Dot(v, v)/float64(v.Len()))
		if r == 0 {
			continue
		}
		first, before, now := law.energy(double[0]), law.energy(double[r-1]), law.energy(v)
		if !(before <= 1e-24*first) { // below, rounding alone is left
			out.rise.Add(now/before - 1)
		}
		out.above.Add(math.Sqrt(now/first) - math.Pow(out.factor, float64(r)))
		out.energy = now / first
	}
	return out, nil
}

// shifted gives the inputs of each shard an offset of their own, the first examples of the test set, so that shards differ.
func shifted(data shard.Data, shards shard.Shards) (shard.Data, error) {
	train := *data.Train
	if train.Values == nil || train.Targets == nil || train.Outputs != 1 || data.Test.N < len(shards) {
		return data, fmt.Errorf("data: P6.9 is about regression with one target (data.synthetic.linear)")
	}
	train.Values = slices.Clone(train.Values)
	size, offset := train.Size(), make([]float32, train.Size())
	for k, examples := range shards {
		data.Test.Features(offset, k)
		for _, i := range examples {
			for j, v := range offset {
				train.Values[int(i)*size+j] += v
			}
		}
	}
	return shard.Data{Train: &train, Test: data.Test}, nil
}

// residuals returns f - y over the examples in the order of the shards, before the first round and after each.
func residuals[F kernel.Float](ctx context.Context, s *claims.Setting, rounds int) ([]*mat.VecDense, error) {
	x := newExperiment[F](s)
	out := []*mat.VecDense{residual(x, x.start())}
	_, err := x.runner.Run(ctx, rounds, func(_ localsgd.RoundFacts, model []F) error {
		out = append(out, residual(x, model))
		return nil
	})
	return out, err
}

func residual[F kernel.Float](x *experiment[F], model []F) *mat.VecDense {
	var r []float64
	for _, probe := range x.probes {
		machine := relu.NewMachine[F](x.Job.Net, probe.N)
		for i, f := range machine.Forward(model, probe) {
			r = append(r, float64(f)-float64(probe.Targets[i]))
		}
	}
	return mat.NewVecDense(len(r), r)
}

// law is the linear map of residuals that a round is: r -> (I - G S) r, for features Phi, G = Phi Phi', uniform weights and
// S = blockdiag(p_k G_kk^-1 [I - (I - eta G_kk/n_k)^H]).
type law struct {
	g     *mat.SymDense
	sizes []int
	step  float64 // eta: the largest at which no shard's local training diverges
	s     *mat.SymDense
}

func newLaw(job *localsgd.Job) *law {
	l := &law{step: math.Inf(1)}
	var rows []float64
	n, width := 0, job.Data.Train.Size()
	for _, examples := range job.Shards {
		l.sizes = append(l.sizes, len(examples))
		x := make([]float32, width)
		for _, i := range examples {
			job.Data.Train.Features(x, int(i))
			for _, v := range x {
				rows = append(rows, float64(v))
			}
			n++
		}
	}
	phi := mat.NewDense(n, width, rows)
	l.g = mat.NewSymDense(n, nil)
	l.g.SymOuterK(1, phi)
	for k := range l.sizes {
		values, _ := l.block(k)
		l.step = min(l.step, float64(l.sizes[k])/slices.Max(values))
	}
	return l
}

// block returns the eigenvalues and vectors of G_kk.
func (l *law) block(k int) ([]float64, *mat.Dense) {
	from := 0
	for _, n := range l.sizes[:k] {
		from += n
	}
	var eigen mat.EigenSym
	if !eigen.Factorize(l.g.SliceSym(from, from+l.sizes[k]), true) {
		panic("localsteps: a symmetric matrix has no eigenvalues")
	}
	var vectors mat.Dense
	eigen.VectorsTo(&vectors)
	return eigen.Values(nil), &vectors
}

// prepare computes S for a number of local steps.
func (l *law) prepare(steps int) {
	n := l.g.SymmetricDim()
	l.s = mat.NewSymDense(n, nil)
	from := 0
	for k, size := range l.sizes {
		values, q := l.block(k)
		for e, v := range values {
			weight := gain(v, l.step/float64(size), steps) / float64(len(l.sizes))
			column := mat.NewVecDense(n, nil)
			column.SliceVec(from, from+size).(*mat.VecDense).CopyVec(q.ColView(e))
			l.s.SymRankOne(l.s, weight, column)
		}
		from += size
	}
}

// gain returns (1 - (1 - rate v)^steps) / v.
func gain(v, rate float64, steps int) float64 {
	if v < 1e-12 {
		return rate * float64(steps)
	}
	return -math.Expm1(float64(steps)*math.Log1p(-min(rate*v, 1))) / v
}

// compare returns the largest distance of the residuals from the law, over the norm of the first.
func (l *law) compare(measured []*mat.VecDense) (worst claims.Worst) {
	r := mat.VecDenseCopyOf(measured[0])
	scale := mat.Norm(r, 2)
	var s, g, off mat.VecDense
	for _, m := range measured[1:] {
		s.MulVec(l.s, r)
		g.MulVec(l.g, &s)
		r.SubVec(r, &g)
		off.SubVec(m, r)
		worst.Add(mat.Norm(&off, 2) / scale)
	}
	return worst
}

// energy returns r'Sr.
func (l *law) energy(r *mat.VecDense) float64 { return mat.Inner(r, l.s, r) }

// factor returns the asymptotic factor of a round: 1 - the least eigenvalue of G^(1/2) S G^(1/2), which has those of L'SL with
// G = L L'.
func (l *law) factor() float64 {
	var chol mat.Cholesky
	if !chol.Factorize(l.g) {
		return math.NaN() // not overparameterised
	}
	var lower mat.TriDense
	chol.LTo(&lower)
	n := l.g.SymmetricDim()
	var sl, product mat.Dense
	sl.Mul(l.s, &lower)
	product.Mul(lower.T(), &sl)
	sym := mat.NewSymDense(n, nil)
	for i := range n {
		for j := i; j < n; j++ {
			sym.SetSym(i, j, (product.At(i, j)+product.At(j, i))/2)
		}
	}
	var eigen mat.EigenSym
	if !eigen.Factorize(sym, false) {
		return math.NaN()
	}
	return 1 - slices.Min(eigen.Values(nil))
}
