package arch

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

// exactPackages are those whose floating point has the same bits on every machine.
var exactPackages = []string{"./localsgd/...", "./internal/kernel", "./internal/detmath",
	"./analysis/activity", "./analysis/averaging", "./analysis/noise", "./analysis/norm", "./analysis/theory"}

// exactMath are the functions of package math that every machine computes alike: they round once, or not at all.
var exactMath = strings.Fields(`Abs Ceil Copysign FMA Float32bits Float32frombits Float64bits Float64frombits Floor Frexp
	Inf IsInf IsNaN Ldexp Max Min Mod Modf NaN Nextafter Nextafter32 Round RoundToEven Signbit Sqrt Trunc`)

// TestFloatsAreTheSameEverywhere: the compiler may fuse a product into a sum that it ends up in, on some processors and
// not on others, also across statements and inlined calls; an explicit conversion forbids it. So a product of floats is
// converted (float32(x*y) + z), or is a factor again, or is compared, or goes into math.FMA, which always fuses. And most
// of package math is assembly on some machines; internal/detmath is not.
func TestFloatsAreTheSameEverywhere(t *testing.T) {
	if testing.Short() {
		t.Skip("type-checks half of the module")
	}
	loaded, err := packages.Load(&packages.Config{Mode: packages.LoadSyntax, Dir: root}, exactPackages...)
	if err != nil {
		t.Fatal(err)
	}
	if len(loaded) < 8 {
		t.Fatalf("only %d packages match %v", len(loaded), exactPackages)
	}
	for _, p := range loaded {
		for _, e := range p.Errors {
			t.Error(e)
		}
		for _, file := range p.Syntax {
			report(t, floats{p.Fset, p.TypesInfo}.findings(file))
		}
	}
}

func TestFloatsAreTheSameEverywhereCanFail(t *testing.T) {
	const text = `package a

import "math"

type Float interface{ ~float32 | ~float64 }

func bad[F Float](x, y, z float64, v []float32, g F) float64 {
	z = x*y + z
	z -= x * y
	p := (x * y)
	v[0] += -(v[1] * v[2])
	h := g*g + 0.5*g
	z *= x
	_ = math.Exp(p) + float64(h)
	return x * y
}

func good[F Float](x, y, z float64, n int, g F) float64 {
	z = float64(x*y) + z
	n = n*n + 2
	h := F(g * g) + g
	n *= 2
	const c = 2.0 * 3.0
	z = 4*z + x*float64(1<<3)
	_ = x*y*z < 3 || math.Sqrt(x*y) > 1
	_ = h
	return float64(x*y*z) + c*1 + x*y/z + math.FMA(x, y, z)
}
`
	s := snippets(t, "a/a.go", text)[0]
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}}
	if _, err := (&types.Config{Importer: mathOnly{}}).Check("a", s.fset, []*ast.File{s.file}, info); err != nil {
		t.Fatal(err)
	}
	mustFind(t, floats{s.fset, info}.findings(s.file),
		"a.go:8: ", "a.go:9: ", "a.go:10: ", "a.go:11: ", "a.go:12: ", "a.go:12: ", "a.go:13: ", "math.Exp", "a.go:15: ")
}

// mathOnly imports a package math with what the self-test needs.
type mathOnly struct{}

func (mathOnly) Import(name string) (*types.Package, error) {
	if name != "math" {
		return nil, fmt.Errorf("no package %s here", name)
	}
	p := types.NewPackage("math", "math")
	float := types.Typ[types.Float64]
	for function, arguments := range map[string]int{"Exp": 1, "Sqrt": 1, "FMA": 3} {
		var in []*types.Var
		for range arguments {
			in = append(in, types.NewParam(token.NoPos, p, "", float))
		}
		signature := types.NewSignatureType(nil, nil, nil, types.NewTuple(in...), types.NewTuple(types.NewParam(token.NoPos, p, "", float)), false)
		p.Scope().Insert(types.NewFunc(token.NoPos, p, function, signature))
	}
	p.MarkComplete()
	return p, nil
}

// floats looks for what may have other bits elsewhere.
type floats struct {
	fset *token.FileSet
	info *types.Info
}

func (f floats) findings(file *ast.File) []string {
	var findings []string
	var path []ast.Node
	add := func(n ast.Node, why string) {
		p := f.fset.Position(n.Pos())
		findings = append(findings, fmt.Sprintf("%s:%d: %s", fromRoot(p.Filename), p.Line, why))
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if n == nil {
			path = path[:len(path)-1]
			return true
		}
		if e, ok := n.(*ast.BinaryExpr); ok && f.product(e) && !f.harmless(e, path) {
			add(n, "a product of floats that may be fused into a sum: write float32(x*y) or float64(x*y)")
		}
		if a, ok := n.(*ast.AssignStmt); ok && a.Tok == token.MUL_ASSIGN && floating(f.info.Types[a.Lhs[0]].Type) {
			add(n, "a product of floats that may be fused into a later sum: write x = float32(x*y) or float64(x*y)")
		}
		if id, ok := n.(*ast.Ident); ok && f.inexact(id) {
			add(n, "math."+id.Name+" is not the same on every machine: use internal/detmath")
		}
		path = append(path, n)
		return true
	})
	return findings
}

// fromRoot shortens a file's name as the go command gives it.
func fromRoot(name string) string {
	base, err := filepath.Abs(root)
	if err != nil {
		return name
	}
	if rel, err := filepath.Rel(base, name); err == nil && filepath.IsAbs(name) {
		return filepath.ToSlash(rel)
	}
	return name
}

// product is x*y of floats (or of a type parameter that may be one) which the compiler does not know already.
func (f floats) product(e *ast.BinaryExpr) bool {
	value := f.info.Types[e]
	return e.Op == token.MUL && value.Value == nil && floating(value.Type) && !f.doubling(e.X) && !f.doubling(e.Y)
}

// doubling says whether e is a constant power of two from 1 up: a product with it is exact, so fusing changes nothing.
func (f floats) doubling(e ast.Expr) bool {
	value := f.info.Types[e].Value
	if value == nil {
		return false
	}
	x, _ := constant.Float64Val(constant.ToFloat(value))
	fraction, exponent := math.Frexp(x)
	return fraction == 0.5 && exponent >= 1
}

func floating(t types.Type) bool {
	if t == nil {
		return false
	}
	switch u := t.Underlying().(type) {
	case *types.Basic:
		return u.Info()&types.IsFloat != 0
	case *types.Interface: // of a type parameter
		for i := range u.NumEmbeddeds() {
			if floating(u.EmbeddedType(i)) {
				return true
			}
		}
	case *types.Union:
		for i := range u.Len() {
			if floating(u.Term(i).Type()) {
				return true
			}
		}
	}
	return false
}

// harmless says whether what takes the product cannot add it: the nearest node of path that is no parenthesis.
func (f floats) harmless(e *ast.BinaryExpr, path []ast.Node) bool {
	for _, parent := range slices.Backward(path) {
		switch p := parent.(type) {
		case *ast.ParenExpr:
			continue
		case *ast.BinaryExpr:
			return p.Op != token.ADD && p.Op != token.SUB
		case *ast.CallExpr:
			called := f.info.Types[p.Fun]
			return called.IsType() && floating(called.Type) || f.ofMath(p.Fun)
		default:
			return false
		}
	}
	return false
}

func (f floats) ofMath(e ast.Expr) bool {
	sel, ok := e.(*ast.SelectorExpr)
	return ok && f.fromMath(sel.Sel)
}

func (f floats) fromMath(id *ast.Ident) bool {
	used, ok := f.info.Uses[id].(*types.Func)
	return ok && used.Pkg() != nil && used.Pkg().Path() == "math"
}

func (f floats) inexact(id *ast.Ident) bool {
	return f.fromMath(id) && !slices.Contains(exactMath, id.Name)
}
