package crash

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestEveryPointIsInTheCode holds Points to the constants, and the constants to the calls of At below connector: a point
// that is listed and nowhere passed would be a proof of nothing.
func TestEveryPointIsInTheCode(t *testing.T) {
	names := constants(t)
	passed := map[string]int{}
	fset := token.NewFileSet()
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || filepath.Dir(path) == "../crash" {
			return err
		}
		f, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || !isAt(call.Fun) {
				return true
			}
			arg, ok := call.Args[0].(*ast.SelectorExpr)
			if !ok || names[arg.Sel.Name] == "" {
				t.Errorf("%s: crash.At takes a constant of package crash", fset.Position(call.Pos()))
				return true
			}
			passed[names[arg.Sel.Name]]++
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(Points) != len(names) || len(Points) < 12 {
		t.Errorf("%d points are listed and %d named; at least 12 are due", len(Points), len(names))
	}
	for _, p := range Points {
		if passed[p] == 0 {
			t.Errorf("%s is listed and passed nowhere", p)
		}
	}
}

func isAt(fun ast.Expr) bool {
	s, ok := fun.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != "At" {
		return false
	}
	pkg, ok := s.X.(*ast.Ident)
	return ok && pkg.Name == "crash"
}

// constants are the names of crash.go and the points they stand for.
func constants(t *testing.T) map[string]string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "crash.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	ast.Inspect(f, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && len(v.Values) == 1 {
			if lit, ok := v.Values[0].(*ast.BasicLit); ok {
				out[v.Names[0].Name], _ = strconv.Unquote(lit.Value)
			}
		}
		return true
	})
	return out
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		text string
		want where
		bad  bool
	}{
		{text: "send-after", want: where{SendAfter, 1}},
		{text: "send-after:7", want: where{SendAfter, 7}},
		{text: "send-after:0", bad: true},
		{text: "send-after:x", bad: true},
		{text: "sent", bad: true},
	} {
		got, err := parse("CRASHPOINT", c.text)
		if (err != nil) != c.bad || (!c.bad && got != c.want) {
			t.Errorf("%s: %v, %v", c.text, got, err)
		}
	}
}
