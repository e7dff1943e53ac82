package ehr

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/script"
)

// fault is one scripted misbehaviour: what the EHR does with a request in place of its work, or around it.
type fault struct {
	run   func(k *strike) *Response
	args  []string // what a script line may set, each as name=default
	about string   // one line for people
}

// Groups of faults, in the order the documentation has them.
var groups = []string{"answers", "content", "refusals", "wire", "search", "tokens", "chart"}

// faults is the vocabulary of a Script, by group.
var faults = map[string]map[string]fault{
	"answers": answerFaults, "content": contentFaults, "refusals": refusalFaults, "wire": wireFaults,
	"search": searchFaults, "tokens": tokenFaults, "chart": chartFaults,
}

func faultNamed(name string) (fault, bool) {
	for _, group := range groups {
		if f, ok := faults[group][name]; ok {
			return f, true
		}
	}
	return fault{}, false
}

// FaultInfo tells people of a fault.
type FaultInfo struct {
	Name, Group, About string
	Args               []string // each as name=default
}

// Faults lists what a script may stage, by group and name.
func Faults() []FaultInfo {
	var out []FaultInfo
	for _, group := range groups {
		for _, name := range slices.Sorted(maps.Keys(faults[group])) {
			f := faults[group][name]
			out = append(out, FaultInfo{Name: name, Group: group, About: f.about, Args: f.args})
		}
	}
	return out
}

// strike is a fault meeting a request.
type strike struct {
	s    *Server
	r    *http.Request
	body []byte
	is   fault
	name string
	args map[string]string
	work func(*http.Request, []byte) *Response
	play *play
}

// play is what a fault changes about the EHR's work on one request; the handlers find it in the request's context.
type play struct {
	fault  string
	mutate func(resource) // changes a resource before it is stored
	blind  bool           // conditions of creates are not looked at
	half   bool           // a transaction stops half-way
	lag    time.Duration  // searches miss what is younger
	at     time.Time      // the moment of the commit; zero is now
	made   []string       // Type/id of what was committed
}

type playKey struct{}

func playOf(r *http.Request) *play {
	p, _ := r.Context().Value(playKey{}).(*play)
	if p == nil {
		p = &play{}
	}
	return p
}

// do has the EHR do its work, as far as the play lets it.
func (k *strike) do() *Response {
	k.play.fault = k.name
	return k.work(k.r.WithContext(context.WithValue(k.r.Context(), playKey{}, k.play)), k.body)
}

func (k *strike) arg(name string) string             { return script.Given(k.is.args, k.args, name) }
func (k *strike) num(name string) int                { return script.Number(k.arg(name)) }
func (k *strike) duration(name string) time.Duration { return script.Duration(k.arg(name)) }

func (k *strike) yes(name string) bool { return k.arg(name) == "yes" }

// committed does the EHR's work, then changes the answer; a refusal stays what it is.
func committed(change func(k *strike, resp *Response) *Response) func(*strike) *Response {
	return func(k *strike) *Response {
		resp := k.do()
		if resp.Status >= 400 {
			return resp
		}
		return change(k, resp.clone())
	}
}

// instead answers and does nothing.
func instead(answer func(k *strike) *Response) func(*strike) *Response {
	return func(k *strike) *Response { return answer(k) }
}

// storing changes what is stored, and by that what is echoed.
func storing(mutate func(k *strike, r resource)) func(*strike) *Response {
	return func(k *strike) *Response {
		k.play.mutate = func(r resource) { mutate(k, r) }
		return k.do()
	}
}

// requestKinds tells what a script line may match of a request: its type, or for a transaction Bundle and every type in it.
func requestKinds(r *http.Request, basePath string, body []byte) []string {
	path, ok := strings.CutPrefix(r.URL.Path, basePath)
	if !ok { // beside the FHIR base: token, jwks
		return []string{path[strings.LastIndex(path, "/")+1:]}
	}
	first, _, _ := strings.Cut(strings.Trim(path, "/"), "/")
	switch {
	case first == ".well-known":
		return []string{"discovery"}
	case first != "" || r.Method != http.MethodPost:
		return []string{first}
	}
	kinds := []string{"Bundle"}
	var bundle struct {
		Entry []struct {
			Request struct{ URL string }
		}
	}
	if json.NewDecoder(bytes.NewReader(body)).Decode(&bundle) == nil {
		for _, e := range bundle.Entry {
			typ, _ := splitType(e.Request.URL)
			kinds = append(kinds, typ)
		}
	}
	return kinds
}

// isSearch says whether a request asks for a searchset: by POST, by GET of a type, or by a next link.
func isSearch(r *http.Request, basePath string) bool {
	path, ok := strings.CutPrefix(r.URL.Path, basePath)
	if !ok {
		return false
	}
	path = strings.Trim(path, "/")
	switch r.Method {
	case http.MethodPost:
		return strings.HasSuffix(path, "/_search")
	case http.MethodGet:
		return path == "" && r.URL.Query().Has("_page") || knownType(path)
	}
	return false
}

// Hit is one time the script struck.
type Hit struct {
	Line   int // of the script
	Fault  string
	Method string
	Path   string
}
