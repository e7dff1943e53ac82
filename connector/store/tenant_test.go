package store

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// acrossEHRs are the statements that are meant for all EHR connections, and why.
var acrossEHRs = map[string]string{
	"ehrIDs":    "lists the connections",
	"tallySum":  "the console's first page and the metrics count every connection, each by itself",
	"tallyMany": "the folder adds up every connection's rows, each by itself",
	"pgAnew":    "leases that end too late are the database clock's doing, whoever holds them",
	"liteFree":  "leases of the process that had the file before, whatever they were for",
}

var (
	ofTenant   = regexp.MustCompile(`\b(FROM|INTO|UPDATE|JOIN) (event|thread|message|blob|item|lane|chart_write|attempt|born|consent|probe|adt_\w+|inbox_\w+|draft|tally|audit\w*|refusal|ehr)\b`)
	namesOne   = regexp.MustCompile(`ehr_id = (\?\d|e\.ehr_id|due\.ehr_id)`)
	insertsOne = regexp.MustCompile(`(?s)^INSERT INTO \w+ \(ehr_id, .*VALUES \(\?1[,)]`)
	byID       = regexp.MustCompile(`FROM ehr WHERE (ehr_id|name) = \?|^INSERT INTO ehr `)
)

// TestEveryStatementNamesItsEHR: no statement reads or writes rows of an EHR connection it does not name, but those that say why.
func TestEveryStatementNamesItsEHR(t *testing.T) {
	all := statementTexts(t)
	if len(all) < 100 {
		t.Fatalf("%d statements were found in the source: this test sees too little", len(all))
	}
	for name, text := range all {
		if !ofTenant.MatchString(text) {
			continue
		}
		own := insertsOne.MatchString(text) || namesOne.MatchString(text) || byID.MatchString(text)
		if _, across := acrossEHRs[name]; own == across {
			t.Errorf("%s names its EHR connection: %v, and is listed as one for all: %v\n%s", name, own, across, text)
		}
	}
	for name := range acrossEHRs {
		if all[name] == "" {
			t.Errorf("there is no statement %s", name)
		}
	}
}

// statementTexts gives the texts given to sq, sqOne and sqRow in this package's source, by the names of their variables.
func statementTexts(t *testing.T) map[string]string {
	t.Helper()
	pkgs, err := parser.ParseDir(token.NewFileSet(), ".", func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }, 0)
	if err != nil {
		t.Fatal(err)
	}
	parts, out := map[string]string{}, map[string]string{}
	var text func(e ast.Expr) string
	text = func(e ast.Expr) string {
		switch e := e.(type) {
		case *ast.BasicLit:
			s, _ := strconv.Unquote(e.Value)
			return s
		case *ast.BinaryExpr:
			return text(e.X) + text(e.Y)
		case *ast.Ident:
			return parts[e.Name]
		case *ast.CallExpr:
			if f, ok := e.Fun.(*ast.Ident); ok && (f.Name == "sq" || f.Name == "sqOne" || f.Name == "sqRow") {
				return text(e.Args[0])
			}
		}
		return ""
	}
	for _, pass := range []bool{false, true} { // texts made of others need these first
		for _, p := range pkgs {
			ast.Inspect(p, func(n ast.Node) bool {
				v, ok := n.(*ast.ValueSpec)
				if !ok {
					return true
				}
				for i, name := range v.Names {
					if i >= len(v.Values) {
						continue
					}
					s := text(v.Values[i])
					parts[name.Name] = s
					if _, call := v.Values[i].(*ast.CallExpr); call && pass && s != "" {
						out[name.Name] = s
					}
					if list, ok := v.Values[i].(*ast.CompositeLit); ok {
						for k, e := range list.Elts {
							if s := text(e); s != "" {
								out[name.Name+strconv.Itoa(k)] = s
							}
						}
					}
				}
				return true
			})
		}
	}
	return out
}
