// Package chartwire_test holds the tree to the house rules: who may import whom, how large a file may be, and that the
// documents say what the code does.
package chartwire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/chartwire/chartwire"

// floors are the four floors of the house; every import runs down or stays. A test may import whatever its floor and those
// below hold.
var floors = map[string]int{"fhir": 1, "config": 1, "connector": 2, "adapters": 3, "testdata": 3, "cmd": 4}

// rooms says which packages of ours each package may import. A trailing /... means the folder and all below it.
var rooms = map[string][]string{
	"config":          {"config/variable"},
	"config/variable": {},

	"fhir/r4":       {},
	"fhir/client":   {"fhir/..."},
	"fhir/smart":    {"fhir/..."},
	"fhir/validate": {"fhir/..."},

	"connector":                 {},
	"connector/alert":           {"connector", "connector/clock"},
	"connector/clock":           {"connector"},
	"connector/crash":           {},
	"connector/decode":          {},
	"connector/egress":          {"connector", "connector/clock", "connector/crash", "connector/seal", "connector/audit"},
	"connector/seal":            {"connector", "connector/clock", "connector/egress", "connector/audit"},
	"connector/audit":           {"connector", "connector/clock", "connector/egress", "connector/seal"},
	"connector/ingest":          {"connector", "connector/clock", "connector/crash"},
	"connector/deliver":         {"connector", "connector/alert", "connector/clock", "connector/crash", "connector/egress"},
	"connector/store":           {"connector", "connector/clock", "connector/crash", "connector/seal", "connector/audit"},
	"connector/store/disktest":  {},
	"connector/store/pgtest":    {},
	"connector/store/storetest": {"connector", "connector/clock", "connector/seal", "connector/audit"},
	"connector/inbox":           {"config/variable", "connector", "connector/audit", "connector/clock", "connector/deliver", "connector/ingest", "fhir/smart"},
	"connector/web":             {"connector/...", "fhir/smart"},
	"connector/web/app":         {"connector", "connector/clock", "connector/inbox", "fhir/smart"},

	"adapters":                     {"adapters/...", "config", "connector", "fhir/r4", "fhir/smart"},
	"adapters/filing":              {"connector", "fhir/...", "adapters/hl7", "adapters/filing/transcript"},
	"adapters/filing/transcript":   {"connector"},
	"adapters/ehr/athena":          {"config", "connector", "fhir/...", "adapters/filing", "adapters/ehr/fhir"},
	"adapters/ehr/epic":            {"connector", "adapters/filing", "adapters/ehr/fhir"},
	"adapters/ehr/fhir":            {"connector", "connector/inbox", "fhir/...", "adapters/filing", "adapters/hl7"},
	"adapters/ehr/openemr":         {"config", "connector", "fhir/...", "adapters/filing", "adapters/ehr/fhir"},
	"adapters/ehr/meditech":        {"connector", "adapters/ehr/fhir"},
	"adapters/ehr/oracle":          {"config", "connector", "fhir/...", "adapters/filing", "adapters/ehr/fhir"},
	"adapters/ehr/hl7v2":           {"connector", "adapters/filing", "adapters/hl7", "adapters/hl7/mllp"},
	"adapters/ehr/hl7v2/adt":       {"connector", "adapters/ehr/hl7v2", "adapters/filing", "adapters/hl7", "adapters/hl7/mllp"},
	"adapters/ehr/ehrtest":         {"connector"},
	"adapters/hl7":                 {},
	"adapters/hl7/mllp":            {"adapters/hl7"},
	"adapters/channel/webhook":     {"connector", "connector/decode"},
	"adapters/channel/channeltest": {"connector"},
	"adapters/sandbox":             {"adapters/sandbox/...", "fhir/...", "adapters/hl7"},
	"adapters/sandbox/athena":      {"adapters/sandbox/..."},
	"adapters/sandbox/auth":        {"adapters/sandbox/...", "fhir/..."},
	"adapters/sandbox/contracts":   {},
	"adapters/sandbox/ehr":         {"adapters/sandbox/...", "fhir/..."},
	"adapters/sandbox/engine":      {"adapters/sandbox/script", "adapters/hl7/..."},
	"adapters/sandbox/openemr":     {"adapters/sandbox/ehr"},
	"adapters/sandbox/platform":    {"adapters/sandbox/..."},
	"adapters/sandbox/scope":       {},
	"adapters/sandbox/seed":        {"adapters/sandbox/...", "fhir/...", "adapters/hl7"},
	"adapters/sandbox/script":      {},
	"adapters/sandbox/shell":       {"adapters/sandbox/auth", "adapters/sandbox/ehr"},
	"adapters/sandbox/stage":       {"adapters/sandbox/ehr"},
	"adapters/sandbox/traffic":     {"adapters/sandbox/..."},

	"cmd/app":       {"config", "connector/...", "adapters/...", "fhir/...", "cmd/doctor"},
	"cmd/demo":      {"config", "connector/...", "adapters/...", "fhir/...", "cmd/app", "testdata/threads"},
	"cmd/doctor":    {"config", "connector/...", "fhir/smart"},
	"cmd/cmdtest":   {},
	"cmd/preview":   {"config", "connector/...", "adapters/...", "fhir/...", "cmd/app"},
	"cmd/chartwire": {"config", "connector/...", "adapters/...", "fhir/...", "cmd/...", "testdata/threads"},

	"cmd/prove":                 {"cmd/prove/..."},
	"cmd/prove/browser":         {},
	"cmd/prove/crash":           {"connector/clock", "connector/crash", "adapters/sandbox/...", "cmd/prove/figure", "cmd/prove/rig"},
	"cmd/prove/figure":          {"connector/clock"},
	"cmd/prove/powercut":        {"connector/clock", "connector/store/pgtest", "cmd/prove/figure", "cmd/prove/rig", "cmd/prove/powercut/..."},
	"cmd/prove/powercut/lazyfs": {},
	"cmd/prove/restore":         {"adapters/sandbox/...", "cmd/prove/figure", "cmd/prove/rig"},
	"cmd/prove/rig":             {"connector", "connector/clock", "connector/seal", "connector/store/pgtest", "adapters/sandbox/...", "cmd/prove/figure"},
	"cmd/prove/faults":          {"connector/clock", "connector/store/pgtest", "adapters/sandbox/...", "cmd/prove/..."},
	"cmd/prove/bench":           {"connector", "connector/clock", "connector/seal", "connector/store/...", "adapters/sandbox/...", "fhir/smart", "cmd/prove/..."},
	"cmd/prove/sim":             {"connector/...", "adapters/...", "fhir/...", "cmd/prove/figure"},
}

// modules says which packages may import a third-party module. A module that is not here may be imported by none.
var modules = map[string][]string{
	"github.com/labstack/echo/v4":                              {"connector/web", "connector/web/app"},
	"github.com/google/fhir/go":                                {"fhir/validate"},
	"google.golang.org/protobuf":                               {"fhir/validate"},
	"github.com/samply/golang-fhir-models/fhir-models":         {"fhir/r4"},
	"github.com/google/uuid":                                   {"fhir/r4", "fhir/client", "fhir/smart"},
	"golang.org/x/oauth2":                                      {"fhir/smart"},
	"github.com/go-jose/go-jose/v4":                            {"fhir/smart", "adapters/sandbox/auth"},
	"github.com/jackc/pgx/v5":                                  {"connector/store", "connector/store/pgtest", "cmd/prove/bench"},
	"modernc.org/sqlite":                                       {"connector/store", "cmd/prove/bench"},
	"github.com/pressly/goose/v3":                              {"connector/store"},
	"golang.org/x/mod":                                         {"connector/audit", "connector/store"},
	"github.com/tink-crypto/tink-go/v2":                        {"connector/seal"},
	"github.com/oklog/ulid/v2":                                 {"connector", "connector/audit", "connector/ingest"},
	"golang.org/x/image":                                       {"adapters/filing/transcript", "connector/inbox"},
	"codeberg.org/go-pdf/fpdf":                                 {"adapters/filing/transcript"},
	"golang.org/x/text":                                        {"connector/deliver", "adapters/sandbox/ehr", "adapters/filing/transcript", "adapters/hl7"},
	"github.com/standard-webhooks/standard-webhooks/libraries": {"adapters/channel/webhook", "adapters/sandbox/platform", "connector/alert", "cmd/prove/bench"},
	"github.com/santhosh-tekuri/jsonschema/v6":                 {"adapters/sandbox/contracts"},
	"github.com/goccy/go-yaml":                                 {"config"},
	"github.com/invopop/jsonschema":                            {"config"},
	"github.com/prometheus/client_golang":                      {"cmd/app"},
	"github.com/alecthomas/kong":                               {"cmd/chartwire", "cmd/prove"},
	"github.com/google/go-cmp":                                 {"connector/store/storetest"},
	"github.com/chromedp/chromedp":                             {"cmd/prove/browser"},
	"github.com/chromedp/cdproto":                              {"cmd/prove/browser"},
	"github.com/hanwen/go-fuse/v2":                             {"cmd/prove/powercut/lazyfs"},
	"pgregory.net/rapid":                                       {"connector/store/storetest"},
}

// testModules says where tests may import a module besides. "" is everywhere.
var testModules = map[string][]string{
	"github.com/google/go-cmp":                 {""},
	"pgregory.net/rapid":                       {""},
	"github.com/getkin/kin-openapi":            {"connector/web"},
	"golang.org/x/net":                         {"connector/egress", "connector/web/app"},
	"github.com/go-jose/go-jose/v4":            {"adapters/sandbox", "adapters/ehr/fhir"},
	"github.com/santhosh-tekuri/jsonschema/v6": {"config", "adapters/channel/webhook"},
	"github.com/rogpeppe/go-internal":          {"cmd/chartwire"},
}

// forbidden package names say nothing about what is in them.
var forbidden = []string{"util", "utils", "helper", "helpers", "common", "misc", "shared", "lib", "tools"}

// pkg is what go list says of a package.
type pkg struct {
	ImportPath, Name, Doc, Dir         string
	GoFiles                            []string
	Imports, TestImports, XTestImports []string
}

func (p pkg) room() string { return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/") }

// covers says whether a rule's pattern names a package.
func covers(pattern, room string) bool {
	folder, deep := strings.CutSuffix(pattern, "/...")
	return room == folder || deep && strings.HasPrefix(room, folder+"/")
}

func anyCovers(patterns []string, room string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return p == "" || covers(p, room) })
}

// ofModule finds the row of a table that an import path belongs to.
func ofModule(table map[string][]string, imported string) ([]string, bool) {
	for m, in := range table {
		if imported == m || strings.HasPrefix(imported, m+"/") {
			return in, true
		}
	}
	return nil, false
}

func thirdParty(imported string) bool {
	return strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") && !strings.HasPrefix(imported, module)
}

// checkImports lists what is wrong with a package's place in the house.
func checkImports(p pkg) []string {
	room := p.room()
	if room == "" {
		return nil // the tests of this folder
	}
	var wrong []string
	allowed, known := rooms[room]
	if !known {
		wrong = append(wrong, room+" is not in the table of rooms; say in arch_test.go and ARCHITECTURE.md what it is and may import")
	}
	for _, i := range p.Imports {
		ours, isOurs := strings.CutPrefix(i, module+"/")
		switch {
		case isOurs && known && !anyCovers(allowed, ours):
			wrong = append(wrong, fmt.Sprintf("%s imports %s; it may import %v", room, ours, allowed))
		case thirdParty(i):
			if in, ok := ofModule(modules, i); !ok || !slices.Contains(in, room) {
				wrong = append(wrong, fmt.Sprintf("%s imports %s; its module may be imported by %v", room, i, in))
			}
		}
	}
	for _, i := range slices.Concat(p.TestImports, p.XTestImports) {
		ours, isOurs := strings.CutPrefix(i, module+"/")
		switch {
		case isOurs && floorOf(ours) > floorOf(room):
			wrong = append(wrong, fmt.Sprintf("a test of %s imports %s, which is above it", room, ours))
		case thirdParty(i):
			in, _ := ofModule(modules, i)
			inTests, _ := ofModule(testModules, i)
			if !slices.Contains(in, room) && !anyCovers(inTests, room) {
				wrong = append(wrong, fmt.Sprintf("a test of %s imports %s; its module may be imported by %v, in tests by %v", room, i, in, inTests))
			}
		}
	}
	return wrong
}

func floorOf(room string) int { return floors[strings.SplitN(room, "/", 2)[0]] }

// checkNames lists what is wrong with how a package is called and introduced.
func checkNames(p pkg) []string {
	var wrong []string
	if slices.Contains(forbidden, p.Name) || slices.Contains(forbidden, path.Base(p.ImportPath)) {
		wrong = append(wrong, p.ImportPath+": a package is called after what is in it, not "+p.Name)
	}
	if p.Doc == "" && len(p.GoFiles) > 0 {
		wrong = append(wrong, p.ImportPath+" has no package comment")
	}
	return wrong
}

// tree is every package of the module, as go list sees it.
func tree(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Name,Doc,Dir,GoFiles,Imports,TestImports,XTestImports", "./...")
	out, err := cmd.Output()
	if err != nil {
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			t.Fatalf("go list: %v: %s", err, failed.Stderr)
		}
		t.Fatal(err)
	}
	var all []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// TestImportRules holds every package to the table, and the table to the packages.
func TestImportRules(t *testing.T) {
	all := tree(t)
	there := map[string]bool{}
	used := map[string]bool{}
	for _, p := range all {
		there[p.room()] = true
		for _, wrong := range slices.Concat(checkImports(p), checkNames(p)) {
			t.Error(wrong)
		}
		for _, i := range p.Imports {
			for m := range modules {
				if i == m || strings.HasPrefix(i, m+"/") {
					used[m+" in "+p.room()] = true
				}
			}
		}
	}
	for room := range rooms {
		if !there[room] {
			t.Errorf("%s is in the table of rooms and not in the tree", room)
		}
	}
	for m, in := range modules {
		for _, room := range in {
			if !used[m+" in "+room] {
				t.Errorf("%s may import %s and does not; take it out of the table", room, m)
			}
		}
	}
}

// TestRulesCanFail breaks every rule once.
func TestRulesCanFail(t *testing.T) {
	at := func(room string, imports ...string) pkg {
		return pkg{ImportPath: module + "/" + room, Name: path.Base(room), Doc: "Package x is.", GoFiles: []string{"x.go"}, Imports: imports}
	}
	test := func(room string, imports ...string) pkg {
		p := at(room)
		p.XTestImports = imports
		return p
	}
	for name, p := range map[string]pkg{
		"a room nobody knows":                      at("connector/fast"),
		"up a floor":                               at("connector/deliver", module+"/adapters/filing"),
		"across":                                   at("connector/ingest", module+"/connector/store"),
		"deliver knows no store":                   at("connector/deliver", module+"/connector/store"),
		"fhir knows nothing of ours":               at("fhir/r4", module+"/connector"),
		"config knows nothing of ours":             at("config", module+"/connector"),
		"the sandbox knows no connector":           at("adapters/sandbox/ehr", module+"/connector"),
		"a channel knows no FHIR":                  at("adapters/channel/webhook", module+"/fhir/r4"),
		"ER7 knows nothing of ours":                at("adapters/hl7", module+"/connector"),
		"MLLP knows ER7 alone":                     at("adapters/hl7/mllp", module+"/connector/egress"),
		"an adapter knows no engine":               at("adapters/ehr/fhir", module+"/connector/deliver"),
		"a name that only begins alike":            at("connector/web", module+"/connectorx"),
		"echo outside web":                         at("cmd/app", "github.com/labstack/echo/v4"),
		"pages know no store":                      at("connector/web/app", module+"/connector/store"),
		"google/fhir outside the gate":             at("fhir/r4", "github.com/google/fhir/go/jsonformat"),
		"pgx outside the store":                    at("connector/audit", "github.com/jackc/pgx/v5/pgxpool"),
		"tink outside seal":                        at("connector/store", "github.com/tink-crypto/tink-go/v2/aead"),
		"samply outside r4":                        at("adapters/filing", "github.com/samply/golang-fhir-models/fhir-models/fhir"),
		"a module nobody knows":                    at("connector/web", "github.com/gorilla/mux"),
		"kin-openapi outside tests":                at("connector/web", "github.com/getkin/kin-openapi/openapi3"),
		"a test that imports from above":           test("connector/web", module+"/adapters/channel/webhook"),
		"a test with a module of another room":     test("connector/ingest", "github.com/labstack/echo/v4"),
		"a test with a module nobody knows":        test("connector/ingest", "github.com/stretchr/testify/assert"),
		"a test of config that knows an adapter":   test("config", module+"/adapters"),
		"a test of the store that knows the demo":  test("connector/store", module+"/cmd/demo"),
		"a test of fhir that knows the vocabulary": test("fhir/client", module+"/connector"),
	} {
		if len(checkImports(p)) == 0 {
			t.Errorf("%s: the rule did not fail", name)
		}
	}
	for _, name := range forbidden {
		if len(checkNames(at("connector/"+name))) == 0 {
			t.Errorf("a package named %s was taken", name)
		}
	}
	if p := at("connector/web"); len(checkNames(pkg{ImportPath: p.ImportPath, Name: p.Name, GoFiles: p.GoFiles})) == 0 {
		t.Error("a package without a comment was taken")
	}
	for _, fine := range []pkg{
		at("connector/web", "net/http", module+"/connector", module+"/connector/ingest", "github.com/labstack/echo/v4"),
		test("connector/web", module+"/connector/store", "github.com/google/go-cmp/cmp", "github.com/getkin/kin-openapi/openapi3filter"),
	} {
		if wrong := slices.Concat(checkImports(fine), checkNames(fine)); len(wrong) > 0 {
			t.Errorf("a good package was refused: %v", wrong)
		}
	}
}
