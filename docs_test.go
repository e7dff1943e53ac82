package chartwire_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters"
	"github.com/chartwire/chartwire/adapters/channel/webhook"
	ehrfhir "github.com/chartwire/chartwire/adapters/ehr/fhir"
	"github.com/chartwire/chartwire/adapters/ehr/openemr"
	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/config"
	"github.com/chartwire/chartwire/connector"
)

var update = flag.Bool("update", false, "write the generated parts of the documents anew")

// planned are the commands of later versions that sentences of this one name already. A page that names one says so.
var planned []string

// section holds the part of a document between <!-- generated: NAME --> and <!-- end --> to what the code says.
func section(t *testing.T, file, name, want string) {
	t.Helper()
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(page), "<!-- generated: "+name+" -->\n")
	got, tail, closed := strings.Cut(rest, "<!-- end -->")
	if !ok || !closed {
		t.Fatalf("%s has no part that is generated: %s", file, name)
	}
	if got == want {
		return
	}
	if !*update {
		t.Errorf("%s: what is generated (%s) is not what the code says; run: go test . -update", file, name)
		return
	}
	if err := os.WriteFile(file, []byte(head+"<!-- generated: "+name+" -->\n"+want+"<!-- end -->"+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestDocsConfig holds docs/config.md to the tags of the configuration's types.
func TestDocsConfig(t *testing.T) {
	section(t, "docs/config.md", "keys", "\n"+config.Markdown(adapters.Sections()...)+"\n")
}

// TestDocsReasons holds docs/ehrs.md to the one enum of reasons.
func TestDocsReasons(t *testing.T) {
	all := connector.Reasons()
	slices.Sort(all)
	if len(all) < 40 {
		t.Fatalf("%d reasons: this test checks nothing", len(all))
	}
	var alone, person strings.Builder
	for _, r := range all {
		row := fmt.Sprintf("| `%s` | %s | %s | %s |\n", r, r.Sentence(), r.Owner(), r.Next())
		if strings.HasPrefix(r.Next(), "none") {
			alone.WriteString(row)
		} else {
			person.WriteString(row)
		}
	}
	head := "| Reason | What happened | Who acts | Next |\n|---|---|---|---|\n"
	section(t, "docs/ehrs.md", "reasons for a person", "\n"+head+person.String()+"\n")
	section(t, "docs/ehrs.md", "reasons that pass", "\n"+head+alone.String()+"\n")
}

// TestDocsParked holds docs/parked.md to what each reason says, and to what can be done about it.
func TestDocsParked(t *testing.T) {
	all := connector.Reasons()
	slices.Sort(all)
	rows := "| Reason | What happened | Owner | Next | Can |\n|---|---|---|---|---|\n"
	for _, r := range all {
		can := ""
		for _, a := range r.Actions() {
			if a != connector.ActWait {
				can += " `" + string(a) + "`"
			}
		}
		if can == "" {
			continue
		}
		rows += fmt.Sprintf("| `%s` | %s | %s | %s |%s |\n", r, r.Sentence(), r.Owner(), r.Next(), can)
	}
	section(t, "docs/parked.md", "parked reasons", "\n"+rows+"\n")
}

// TestDocsScopes holds docs/ehrs.md to the scopes the adapter asks for.
func TestDocsScopes(t *testing.T) {
	o := ehrfhir.Options{Encounters: true, Policy: filing.Policy{CreateProxies: true}}
	section(t, "docs/ehrs.md", "scopes", "\n```\n"+strings.Join(ehrfhir.Scopes(o), "\n")+"\n```\n\n")
}

// TestDocsOpenEMR holds docs/ehrs/openemr.md to the scopes the adapter asks for.
func TestDocsOpenEMR(t *testing.T) {
	section(t, "docs/ehrs/openemr.md", "scopes", "\n```\n"+strings.Join(openemr.Scopes(), "\n")+"\n```\n\n")
}

// TestDocsCodes holds docs/http-api.md to the codes of the OpenAPI document, which connector/web holds to its source.
func TestDocsCodes(t *testing.T) {
	spec, err := os.ReadFile("connector/web/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	enum := regexp.MustCompile(`(?s)code:.*?enum: \[(.*?)\]`).FindStringSubmatch(string(spec))
	if enum == nil {
		t.Fatal("openapi.yaml has no list of codes")
	}
	var codes []string
	for _, c := range strings.Split(enum[1], ",") {
		codes = append(codes, strings.TrimSpace(c))
	}
	page, err := os.ReadFile("docs/http-api.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|").FindAllStringSubmatch(string(page), -1) {
		documented = append(documented, row[1])
	}
	slices.Sort(documented)
	if !slices.Equal(codes, documented) {
		t.Errorf("openapi.yaml has %q and docs/http-api.md %q", codes, documented)
	}
}

// TestDocsSignedEvent runs the example of docs/channels.md, with a curl that only shows what it was given, and has the real
// channel take it.
func TestDocsSignedEvent(t *testing.T) {
	for _, tool := range []string{"sh", "openssl", "od"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("the example of docs/channels.md was not run: this machine has no %s", tool)
		}
	}
	page, err := os.ReadFile("docs/channels.md")
	if err != nil {
		t.Fatal(err)
	}
	example := regexp.MustCompile("(?s)```sh\n(secret=.*?)```").FindStringSubmatch(string(page))
	if example == nil {
		t.Fatal("docs/channels.md has no example")
	}
	out, err := exec.CommandContext(t.Context(), "sh", "-euc", "curl() { printf '%s\\0' \"$@\"; }\n"+example[1]).Output()
	if err != nil {
		t.Fatal(err)
	}
	in := connector.Inbound{Header: map[string][]string{}, At: time.Now()}
	given := strings.Split(string(out), "\x00")
	for n, arg := range given {
		switch arg {
		case "-H":
			name, value, _ := strings.Cut(given[n+1], ": ")
			http.Header(in.Header).Set(name, value)
		case "--data-binary":
			in.Body = []byte(given[n+1])
		}
	}
	secret := regexp.MustCompile(`secret=(\S+)`).FindStringSubmatch(example[1])[1]
	channel, err := webhook.New(webhook.Options{Name: "texting", Secrets: []string{secret}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	events, err := channel.Decode(in)
	if err != nil || len(events) != 1 || events[0].Message.Text != "It itches." {
		t.Errorf("the channel took %d events: %v", len(events), err)
	}
}

// commands lists "serve", "config check" … from the command line's own types.
func commands(t *testing.T) []string {
	t.Helper()
	set := token.NewFileSet()
	files, err := filepath.Glob("cmd/chartwire/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no command line was found (%v)", err)
	}
	types := map[string]*ast.StructType{}
	for _, name := range files {
		f, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.TypeSpec); ok {
				if st, ok := s.Type.(*ast.StructType); ok {
					types[s.Name.Name] = st
				}
			}
			return true
		})
	}
	var out []string
	var walk func(prefix, name string)
	walk = func(prefix, name string) {
		st := types[name]
		if st == nil {
			return
		}
		for _, f := range st.Fields.List {
			if f.Tag == nil || len(f.Names) == 0 {
				continue
			}
			if _, is := reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Lookup("cmd"); !is {
				continue
			}
			command := strings.TrimSpace(prefix + " " + strings.ToLower(f.Names[0].Name))
			out = append(out, command)
			if id, ok := f.Type.(*ast.Ident); ok {
				walk(command, id.Name)
			}
		}
	}
	walk("", "cli")
	return out
}

// TestDocsCommands: a command or make target that a page names is there, or is said to be of a later version.
func TestDocsCommands(t *testing.T) {
	have := commands(t)
	if len(have) < 8 {
		t.Fatalf("found the commands %q: this test checks nothing", have)
	}
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("(?:^|[`/ ]|: )chartwire ([a-z]+)(?: (check|schema|print|init|list|rotate|replay|release)\\b)?")
	target := regexp.MustCompile("`make ([a-z-]+)")
	for name, page := range pages(t) {
		for _, m := range named.FindAllStringSubmatch(code(page), -1) {
			command := strings.TrimSpace(m[1] + " " + m[2])
			switch {
			case slices.Contains(have, command):
			case !slices.Contains(planned, m[1]):
				t.Errorf("%s names chartwire %s, which is not there", name, command)
			case !strings.Contains(page, "a later version"):
				t.Errorf("%s names chartwire %s without saying that it is of a later version", name, command)
			}
		}
		for _, m := range target.FindAllStringSubmatch(page, -1) {
			if !strings.Contains(string(makefile), "\n"+m[1]+":") {
				t.Errorf("%s names make %s, which is not there", name, m[1])
			}
		}
	}
	for _, p := range planned {
		if slices.Contains(have, p) {
			t.Errorf("chartwire %s is there now: take it off the list of planned commands, and document it", p)
		}
	}
}

// code is what of a page stands between backquotes or in blocks, and the tables of reasons.
func code(page string) string {
	var b strings.Builder
	for _, m := range regexp.MustCompile("(?s)```.*?```|`[^`\n]+`|(?m)^\\|.*$").FindAllString(page, -1) {
		b.WriteString(m + "\n")
	}
	return b.String()
}

// pages are the documents, decisions included.
func pages(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for name, text := range sources(t, ".md") {
		if !strings.HasPrefix(name, "testdata/") {
			out[name] = text
		}
	}
	for _, want := range []string{"README.md", "ARCHITECTURE.md", "docs/channels.md", "docs/ehrs.md", "docs/config.md", "docs/http-api.md"} {
		if out[want] == "" {
			t.Errorf("%s is not there", want)
		}
	}
	return out
}

// TestDocsLinks: what a page links to in this tree is there.
func TestDocsLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	links := 0
	for name, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(page, -1) {
			links++
			if _, err := os.Stat(filepath.Join(filepath.Dir(name), m[1])); err != nil {
				t.Errorf("%s links to %s, which is not there", name, m[1])
			}
		}
	}
	if links == 0 {
		t.Error("no page links to another")
	}
}

// TestArchitecture: every room of the house is on the plan, and every test it names is there.
func TestArchitecture(t *testing.T) {
	plan, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	for room := range rooms {
		top, inner, nested := strings.Cut(room, "/")
		if !strings.Contains(string(plan), "`"+room+"`") && !(nested && strings.Contains(string(plan), "`"+top+"/"+strings.Split(inner, "/")[0]+"`")) {
			t.Errorf("ARCHITECTURE.md does not name %s", room)
		}
	}
	all := &strings.Builder{}
	for name, src := range sources(t, ".go") {
		if strings.HasSuffix(name, "_test.go") || strings.Contains(name, "test/") {
			all.WriteString(src)
		}
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9]+)`").FindAllStringSubmatch(string(plan), -1)
	if len(named) < 10 {
		t.Errorf("ARCHITECTURE.md names %d tests; each invariant has one", len(named))
	}
	for _, m := range named {
		if !strings.Contains(all.String(), "func "+m[1]+"(") {
			t.Errorf("ARCHITECTURE.md names %s, which is not there", m[1])
		}
	}
}
