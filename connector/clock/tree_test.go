package clock

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// wallClock names the functions of package time that read the machine's clock.
var wallClock = []string{"Now", "Since", "Until"}

// wallClockReads lists the places in a file that read the machine's clock, by
// call or as a value (Now: time.Now), under any import name. Package main may:
// it is where the system's clock is handed in. So may a package named …test
// (storetest): a conformance suite is a test under another name.
func wallClockReads(fset *token.FileSet, f *ast.File) []string {
	if f.Name.Name == "main" || strings.HasSuffix(f.Name.Name, "test") {
		return nil
	}
	name := ""
	for _, imp := range f.Imports {
		path, _ := strconv.Unquote(imp.Path.Value)
		if path == "time" {
			name = "time"
			if imp.Name != nil {
				name = imp.Name.Name
			}
		}
	}
	if name == "" || name == "_" {
		return nil
	}
	if name == "." {
		return []string{f.Name.Name + ": a dot import of package time, which hides its readers"}
	}
	var found []string
	ast.Inspect(f, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if id, ok := sel.X.(*ast.Ident); ok && id.Name == name && slices.Contains(wallClock, sel.Sel.Name) {
				p := fset.Position(sel.Pos())
				found = append(found, fmt.Sprintf("%s:%d: time.%s", p.Filename, p.Line, sel.Sel.Name))
			}
		}
		return true
	})
	return found
}

func TestOnlyThisPackageReadsTheWallClock(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		t.Fatalf("the module's root is not two folders up: %v", err)
	}
	files := 0
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		if d.IsDir() {
			hidden := rel != "." && strings.HasPrefix(d.Name(), ".")
			_, nested := os.Stat(filepath.Join(path, "go.mod"))
			if hidden || d.Name() == "testdata" || d.Name() == "node_modules" ||
				rel == filepath.Join("connector", "clock") || rel != "." && nested == nil {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		fset := token.NewFileSet()
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(fset, rel, src, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files++
		for _, place := range wallClockReads(fset, f) {
			t.Errorf("%s reads the wall clock: take a clock.Clock or a func() time.Time instead", place)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files == 0 {
		t.Fatal("no Go file was looked at: this test checks nothing")
	}
}

// TestWallClockReads holds the finder itself to account: a finder that finds
// nothing would pass the test above for ever.
func TestWallClockReads(t *testing.T) {
	for _, c := range []struct {
		name, src string
		want      int
	}{
		{"call", `package p; import "time"; var x = time.Now()`, 1},
		{"value", `package p; import "time"; var now = time.Now`, 1},
		{"renamed", `package p; import tm "time"; var x = tm.Since(tm.Time{})`, 1},
		{"dot", `package p; import . "time"; var x = Until(Time{})`, 1},
		{"nested", `package p; import "time"; func f() { go func() { _ = time.Until(time.Now()) }() }`, 2},
		{"injected", `package p; import "time"; func f(now func() time.Time) { now() }`, 0},
		{"chained", `package p; import "time"; var x = time.Now().Unix()`, 1},
		{"another package's Now", `package p; import "x/clock"; var x = clock.System.Now()`, 0},
		{"conformance suite", `package ptest; import "time"; var x = time.Now()`, 0},
		{"main hands it in", `package main; import "time"; var x = time.Now()`, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, "p.go", c.src, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			if got := wallClockReads(fset, f); len(got) != c.want {
				t.Errorf("found %v, want %d", got, c.want)
			}
		})
	}
}
