package epic

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"html"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/ehr/fhir"
	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
)

var sentAt = time.Now().UTC().Truncate(time.Second)

// message is from the patient, on Daniel's encounter.
func message(id, text string, changes ...func(*connector.Exchange)) connector.Exchange {
	x := connector.Exchange{Kind: connector.ItemExchange, Base: base, Channel: "texting", Strategy: connector.AsNote, Revision: 1, Received: sentAt,
		Thread: connector.ThreadInfo{ID: "t-1"}, Patient: "Patient/daniel", Encounter: "Encounter/daniels",
		Message: connector.Message{ID: id, Direction: connector.FromPatient, SentAt: sentAt, Text: text,
			Sender: connector.Participant{Role: connector.RolePatient}}}
	for _, change := range changes {
		change(&x)
	}
	return x
}

func opened(t *testing.T, s setting) *lab {
	t.Helper()
	l := newLab(t, s)
	if _, err := l.adapter.Open(t.Context()); err != nil {
		t.Fatalf("Open: %v", err)
	}
	return l
}

// write plans, resolves and gates the one write of an exchange.
func (l *lab) write(t *testing.T, x connector.Exchange) connector.Write {
	t.Helper()
	writes, err := l.adapter.Plan(x)
	if err != nil || len(writes) != 1 {
		t.Fatalf("%d writes, %v", len(writes), err)
	}
	w := writes[0]
	w.Body = []byte(strings.ReplaceAll(string(w.Body), connector.SymPatient, "Patient/daniel"))
	w.Expect.Subject = "Patient/daniel"
	if err := l.adapter.Gate(w); err != nil {
		t.Fatal(err)
	}
	return w
}

func (l *lab) file(t *testing.T, x connector.Exchange) (connector.Write, connector.Receipt) {
	t.Helper()
	w := l.write(t, x)
	r, err := l.adapter.File(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	return w, r
}

// TestWhatIsSent holds everything that leaves to what Epic is known to take, and to ask for.
func TestWhatIsSent(t *testing.T) {
	photo := func(x *connector.Exchange) {
		x.Message.Attachments = []connector.Attachment{{ID: "a", Filename: "photo.png", ContentType: "image/png", Data: []byte("not really")}}
		x.Message.Language, x.Parent, x.Thread.Subject = "en", "m-0", "Home readings"
	}
	l := opened(t, setting{})
	w, r := l.file(t, message("m-1", "hello", photo))
	if r.Reference == "" || !r.Echo.Shown || r.Echo.Text != w.Expect.Text || !slices.Contains(r.Echo.Identities, w.Identity) {
		t.Errorf("the receipt shows %+v", r.Echo)
	}
	if _, err := l.adapter.Find(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if all, err := l.adapter.Encounters(t.Context(), connector.EncounterQuery{Patient: "Patient/daniel", Open: true}); err != nil || len(all) != 0 {
		t.Errorf("%v %v", all, err)
	}
	tokens := 0
	for _, a := range l.asked {
		form, _ := url.ParseQuery(a.body)
		switch {
		case strings.HasSuffix(a.path, "/token"):
			if tokens++; form.Has("scope") || form.Get("grant_type") != "client_credentials" {
				t.Errorf("the token was asked for with %v", form)
			}
		case strings.HasSuffix(a.path, "/_search"):
			if strings.Contains(a.path, "DocumentReference") && form.Has("identifier") || form.Has("status") {
				t.Errorf("%s by %v: Epic documents no such parameter", a.path, form)
			}
		case a.method == http.MethodPost:
			if a.header.Get("If-None-Exist") != "" || !strings.HasSuffix(a.path, "/DocumentReference") {
				t.Errorf("%s %v", a.path, a.header)
			}
			var d map[string]any
			_ = json.Unmarshal([]byte(a.body), &d)
			if got := strings.Join(slices.Sorted(maps.Keys(d)), " "); got != "category content context date docStatus identifier resourceType status subject type" {
				t.Errorf("the note has %s", got)
			}
			raw, _ := json.Marshal([]any{d["content"], d["context"]})
			data := w.Body[strings.Index(string(w.Body), `"data":"`)+8:]
			data = data[:strings.IndexByte(string(data), '"')]
			if string(raw) != `[[{"attachment":{"contentType":"text/plain","data":"`+string(data)+`"}}],{"encounter":[{"reference":"Encounter/daniels"}]}]` {
				t.Errorf("the note is %s", raw)
			}
			text, _ := base64.StdEncoding.DecodeString(string(data))
			if !strings.Contains(string(text), "photo.png, image/png, 10 bytes, SHA-256 ") {
				t.Errorf("the photo is not named:\n%s", text)
			}
		case a.method != http.MethodGet:
			t.Errorf("%s %s", a.method, a.path)
		}
	}
	if tokens != 1 {
		t.Errorf("%d tokens were asked for", tokens)
	}
}

// TestPlannedWithoutNetwork: before Epic was asked anything the plan is the same.
func TestPlannedWithoutNetwork(t *testing.T) {
	e := New(fhir.Options{Base: base})
	traits := e.Planned()
	if !traits.NeedsEncounter || traits.IfNoneExist || traits.Transaction || traits.Update || traits.Requests || traits.Watch || traits.Subscribe ||
		traits.Provenance || traits.Proxies || traits.Strategy != connector.AsNote {
		t.Errorf("%+v", traits)
	}
}

// TestAuthor: nobody's name is put under a signed note; a draft names the practitioner who wrote the words and no one else.
func TestAuthor(t *testing.T) {
	clinician := func(x *connector.Exchange) {
		x.Message.Direction, x.Message.Sender = connector.ToPatient, connector.Participant{Role: connector.RoleClinician, ID: "ana", Name: "Ana Rivera"}
	}
	proxy := func(x *connector.Exchange) {
		x.Message.Sender, x.Missing = connector.Participant{Role: connector.RoleProxy, ID: "mum"}, map[string]bool{"mum": true}
	}
	automatic := func(x *connector.Exchange) { x.Message.Sender = connector.Participant{Role: connector.RoleSystem} }
	stranger := func(x *connector.Exchange) {
		clinician(x)
		x.Message.Sender.ID = "somebody"
	}
	for _, status := range []r4.DocStatus{r4.DocFinal, r4.DocPreliminary} {
		l := newLab(t, setting{options: func(o *fhir.Options) {
			o.Policy.DocStatus, o.Policy.People = status, map[string]string{"ana": "Practitioner/ana"}
		}})
		for name, change := range map[string]func(*connector.Exchange){"patient": func(*connector.Exchange) {}, "proxy": proxy, "system": automatic,
			"clinician": clinician, "unknown clinician": stranger} {
			var d struct {
				DocStatus string
				Author    []struct{ Reference string }
			}
			_ = json.Unmarshal(l.write(t, message("m-1", "hello", change)).Body, &d)
			named := len(d.Author) > 0
			if want := name == "clinician" && status == r4.DocPreliminary; named != want || named && d.Author[0].Reference != "Practitioner/ana" {
				t.Errorf("%s of a %s: %+v", d.DocStatus, name, d.Author)
			}
		}
	}
}

// TestScopes: what is granted is what was registered, in the older spelling; what is missing is named.
func TestScopes(t *testing.T) {
	traits, err := opened(t, setting{}).adapter.Open(t.Context())
	if err != nil || len(traits.Missing) > 0 {
		t.Errorf("%v missing, %v", traits.Missing, err)
	}
	without := strings.ReplaceAll(registered, " system/DocumentReference.write", "")
	_, err = newLab(t, setting{scopes: without}).adapter.Open(t.Context())
	var refused *connector.Refused
	if !errors.As(err, &refused) || refused.Reason != connector.ScopeMissing || !strings.Contains(refused.Detail.Reveal(), "system/DocumentReference.c") {
		t.Errorf("without the API: %v", err)
	}
	traits, err = opened(t, setting{scopes: strings.ReplaceAll(registered, " system/Binary.read", "")}).adapter.Open(t.Context())
	if err != nil || !slices.Equal(traits.Missing, []string{"system/Binary.r"}) {
		t.Errorf("%v missing, %v", traits.Missing, err)
	}
	for _, said := range []string{``, `,"scope":""`, `,"scope":"DocumentReference.Create.Notes"`} { // nothing to compare with
		l := newLab(t, setting{})
		l.grants = func(answer string) string {
			var a struct {
				Token string `json:"access_token"`
			}
			_ = json.Unmarshal([]byte(answer), &a)
			return `{"access_token":"` + a.Token + `","token_type":"Bearer","expires_in":300` + said + `}`
		}
		if traits, err := l.adapter.Open(t.Context()); err != nil || len(traits.Missing) > 0 || traits.Strategy != connector.AsNote {
			t.Errorf("told %q: %+v %v", said, traits, err)
		}
	}
}

// TestRefusals: Epic's own codes where they say more than the status, else what the status says.
func TestRefusals(t *testing.T) {
	issue := func(code, expression string) string {
		return `{"resourceType":"OperationOutcome","issue":[{"severity":"fatal","code":"business-rule","details":{"coding":[{"system":"urn:oid:1.2.840.114350.1.13.0.1.7.2.657369","code":"` +
			code + `"}]},"expression":["` + expression + `"]}]}`
	}
	for name, c := range map[string]struct {
		status int
		body   string
		reason connector.Reason // "" is a conflict
	}{
		"no encounter":              {400, issue("59108", "context/encounter"), connector.NeedsEncounter},
		"no encounter, by FHIRPath": {400, issue("59108", "DocumentReference.context.encounter"), connector.NeedsEncounter},
		"another element missing":   {400, issue("59108", "docStatus"), connector.EHRRefused},
		"a path that is none":       {400, issue("59108", "identifier (ssn)"), connector.EHRRefused},
		"a duplicate":               {400, issue("59141", "content"), ""},
		"of vital signs":            {400, issue("59189", "code/instant"), connector.EHRRefused},
		"a value not supported":     {422, issue("59012", "status"), connector.EHRRefused},
		"an API not on the client":  {403, "", connector.ScopeMissing},
	} {
		l := opened(t, setting{})
		w := l.write(t, message("m-1", "hello"))
		l.faults.Answer(c.status, nil, c.body)
		_, err := l.adapter.File(t.Context(), w)
		var refused *connector.Refused
		var conflict *connector.Conflicted
		if errors.As(err, &conflict) != (c.reason == "") || errors.As(err, &refused) != (c.reason != "") || refused != nil && refused.Reason != c.reason {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFindByText: of notes with the same words the one is found whose text cites the message; two of them are for a person, and what
// cannot be read proves nothing.
func TestFindByText(t *testing.T) {
	l := opened(t, setting{})
	first, r1 := l.file(t, message("m-1", "hello"))
	second, r2 := l.file(t, message("m-2", "hello"))
	cites := message("m-3", "Message id: texting t-1/m-4\n\nhello")
	third, r3 := l.file(t, cites)
	for n, c := range []struct {
		w connector.Write
		r connector.Receipt
	}{{first, r1}, {second, r2}, {third, r3}} {
		if found, err := l.adapter.Find(t.Context(), c.w); err != nil || found.Reference != c.r.Reference || found.Echo.Text != c.w.Expect.Text {
			t.Errorf("message %d: %+v %v", n+1, found.Reference, err)
		}
	}
	fourth := l.write(t, message("m-4", "hello"))
	if _, err := l.adapter.Find(t.Context(), fourth); !errors.Is(err, connector.ErrAbsent) {
		t.Errorf("one that is not there: %v", err)
	}
	if _, err := l.adapter.List(t.Context(), fourth); !errors.Is(err, connector.ErrNotSearchable) {
		t.Errorf("a listing knows no more than Find: %v", err)
	}
	elsewhere := fourth
	elsewhere.Expect.Subject = "Patient/other"
	if _, err := l.adapter.Find(t.Context(), elsewhere); !errors.Is(err, connector.ErrAbsent) {
		t.Errorf("on another chart: %v", err)
	}
	for name, shows := range map[string]func(*ehr.Response){
		"refused":    func(r *ehr.Response) { r.Status, r.Body = 404, nil },
		"not base64": func(r *ehr.Response) { r.Body = []byte(`{"resourceType":"Binary","data":"%"}`) },
	} {
		l.set(func() { l.shows = shows })
		if _, err := l.adapter.Find(t.Context(), fourth); !errors.Is(err, connector.ErrNotSearchable) && class(err) != "retry" {
			t.Errorf("%s: %v", name, err)
		}
	}
	l.set(func() { l.shows = nil })
	if _, err := l.adapter.File(t.Context(), first); err != nil { // as a repeat would
		t.Fatal(err)
	}
	var refused *connector.Refused
	if _, err := l.adapter.Find(t.Context(), first); !errors.As(err, &refused) || refused.Reason != connector.IdentityCollision {
		t.Errorf("there twice: %v", err)
	}
}

func class(err error) string {
	if errors.As(err, new(*connector.Retry)) {
		return "retry"
	}
	return "other"
}

// TestShownOtherwise: a note shown as HTML is found by the message it cites, and its words are not judged; RTF alone proves nothing,
// and a scan is none of ours.
func TestShownOtherwise(t *testing.T) {
	l := opened(t, setting{})
	w, r := l.file(t, message("m-<1>", "5 < 6 & more"))
	absent := l.write(t, message("m-2", "hello"))
	s, _ := l.Get("DocumentReference", strings.TrimPrefix(r.Reference, "DocumentReference/"))
	binary := s.Raw[strings.Index(string(s.Raw), "Binary/"):]
	address := string(binary[:strings.IndexByte(string(binary), '"')])
	data, _ := l.Get("Binary", strings.TrimPrefix(address, "Binary/"))
	var b struct{ Data string }
	_ = json.Unmarshal(data.Raw, &b)
	text, _ := base64.StdEncoding.DecodeString(b.Data)
	var page strings.Builder
	page.WriteString("<html><body>")
	for line := range strings.SplitSeq(string(text), "\n") {
		page.WriteString("<p><span class='x'>" + html.EscapeString(line) + "</span></p>")
	}
	for _, c := range []struct {
		kind, data string
		mine, not  error
	}{
		{"text/html", page.String(), nil, connector.ErrAbsent}, {"text/rtf", "{\\rtf1}", connector.ErrNotSearchable, connector.ErrNotSearchable},
		{"application/pdf", "%PDF", connector.ErrAbsent, connector.ErrAbsent},
	} {
		l.set(func() {
			l.shows = func(r *ehr.Response) {
				r.Body = []byte(`{"resourceType":"Binary","contentType":"` + c.kind + `","data":"` + base64.StdEncoding.EncodeToString([]byte(c.data)) + `"}`)
			}
			l.lists = func(r *ehr.Response) {
				r.Body = []byte(strings.ReplaceAll(string(r.Body), "text/plain", c.kind))
			}
		})
		found, err := l.adapter.Find(t.Context(), w)
		if !errors.Is(err, c.mine) || err == nil && (found.Reference != r.Reference || found.Echo.Shown) {
			t.Errorf("%s: %+v %v", c.kind, found, err)
		}
		if _, err := l.adapter.Find(t.Context(), absent); !errors.Is(err, c.not) {
			t.Errorf("%s, not there: %v", c.kind, err)
		}
	}
}
