package connector_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/connector"
)

// declared are the Reason constants of reason.go, by their values.
func declared(t *testing.T) (all []connector.Reason) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "reason.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || len(v.Values) != 1 {
			return true
		}
		if id, ok := v.Type.(*ast.Ident); !ok || id.Name != "Reason" {
			return true
		}
		value, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, connector.Reason(value))
		return true
	})
	return all
}

// TestEveryReasonSaysWhoDoesWhat: nothing waits without a sentence, an owner, a next step and what can be done.
func TestEveryReasonSaysWhoDoesWhat(t *testing.T) {
	all := declared(t)
	if len(all) < 40 || len(all) != len(connector.Reasons()) {
		t.Fatalf("%d reasons are declared and %d are known", len(all), len(connector.Reasons()))
	}
	owners := []string{"registration", "scheduling", "platform", "ehr", "interface", "pool", "staff", "chartwire"}
	acts := []connector.Action{connector.ActReplay, connector.ActAlreadyThere, connector.ActRelease, connector.ActRetract, connector.ActWait}
	for _, r := range all {
		if r.Sentence() == "" || r.Next() == "" || !slices.Contains(owners, r.Owner()) {
			t.Errorf("%s: sentence %q, owner %q, next %q", r, r.Sentence(), r.Owner(), r.Next())
		}
		can := r.Actions()
		if len(can) == 0 {
			t.Errorf("%s: nothing can be done about it", r)
		}
		for _, a := range can {
			if !slices.Contains(acts, a) {
				t.Errorf("%s: unknown action %q", r, a)
			}
			if a != connector.ActWait && !r.Can(connector.ActRelease) {
				t.Errorf("%s: what a person acts on can also be dealt with by hand", r)
			}
		}
		for _, a := range acts { // a next step that names an action must be possible
			if words := strings.ReplaceAll(string(a), "-", " "); strings.Contains(r.Next(), words) && !r.Can(a) && a != connector.ActWait {
				t.Errorf("%s says %q and cannot %s", r, r.Next(), a)
			}
		}
	}
}

func TestControlIDIsTwentyCharactersAndTheSameForEver(t *testing.T) {
	id := func(channel, value string) string {
		return connector.ControlID(connector.Identifier{System: "https://c.example/sid/" + channel + "/message", Value: value})
	}
	if got := id("texting", "t-42/m-1"); got != "NQY6SMHR5IIEZF6CELSU" {
		t.Errorf("it is %q", got)
	}
	if id("texting", "t-42/m-1") == id("texting", "t-42/m-2") || id("texting", "t-42/m-1") == id("portal", "t-42/m-1") {
		t.Error("two identities have one id")
	}
}
