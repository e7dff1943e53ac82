package filing_test

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/adapters/hl7"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
)

const county = "urn:oid:2.16.840.1.113883.19.5"

// mdmPolicy is a connection of a clinic five hours behind UTC.
func mdmPolicy(changes ...func(*filing.MDM)) filing.Policy {
	p := filing.Policy{Location: time.FixedZone("", -5*3600), InlineBytes: 1000, NoteType: r4.NewCoding("http://loinc.org", "34748-4", ""),
		MDM: filing.MDM{
			Header: hl7.MSH{SendingApplication: hl7.HD{Namespace: "CHARTWIRE"}, SendingFacility: hl7.HD{Namespace: "CLINIC"},
				ReceivingApplication: hl7.HD{Namespace: "EHR"}, ReceivingFacility: hl7.HD{Namespace: "COUNTY"}, ProcessingID: "P"},
			Authorities: map[string]filing.Authority{county: {Namespace: "COUNTY", Type: "MR"},
				"urn:visits": {Namespace: "COUNTY", Type: "VN"}, "urn:plan": {Namespace: "PLAN", Type: "MB"}},
			PatientClass: "O", Visits: true, DocumentType: "PR", Completion: "DO",
		}}
	for _, c := range changes {
		c(&p.MDM)
	}
	return p
}

func daniel(x *connector.Exchange) {
	x.Patient = connector.SymPatient
	x.Who = connector.PatientKey{Identifiers: []connector.Identifier{{System: "urn:unknown", Value: "7"}, {System: county, Value: "MRN|123"}},
		Name: &connector.HumanName{Family: "Cho", Given: []string{"Daniel", "M"}}, BirthDate: "2015-07-04"}
}

// mdmOf plans one write and reads its message.
func mdmOf(t *testing.T, p filing.Policy, x connector.Exchange) (connector.Write, hl7.MDM) {
	t.Helper()
	writes, err := filing.Plan(p, connector.Traits{Strategy: connector.AsMDM, Echo: connector.EchoNone}, x)
	if err != nil || len(writes) != 1 {
		t.Fatalf("%d writes: %v (%s)", len(writes), err, detail(err))
	}
	return writes[0], readMDM(t, writes[0])
}

func readMDM(t *testing.T, w connector.Write) hl7.MDM {
	t.Helper()
	m, err := hl7.Parse(w.Body, hl7.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d, err := hl7.ReadMDM(m)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func detail(err error) string {
	var refused *connector.Refused
	if errors.As(err, &refused) {
		return refused.Detail.Reveal()
	}
	return ""
}

// TestMDM shows a whole message, as an interface engineer reads it.
func TestMDM(t *testing.T) {
	x := exchange(connector.ItemExchange, connector.AsMDM, daniel, from(mother), func(x *connector.Exchange) {
		x.Message.Text = "BP 98|60\nand ^well^\r\x07"
		x.Thread.Encounter = &connector.Identifier{System: "urn:visits", Value: "V9"}
	})
	w, _ := mdmOf(t, mdmPolicy(), x)
	id := control("t-1/m-1")
	want := `MSH|^~\&|CHARTWIRE|CLINIC|EHR|COUNTY|20261122130312-0500||MDM^T02^MDM_T02|` + id + `|P|2.5.1||||||UNICODE UTF-8
EVN|T02|20261122130312-0500||||20261122130311-0500
PID|1||MRN\F\123^^^COUNTY^MR||Cho^Daniel^M^^^^L||20150704
PV1|1|O|||||||||||||||||V9^^^COUNTY^VN
TXA|1|PR|TX|||20261122130311-0500||||||` + id + `-v1|||||DO|U|AV|AC
OBX|1|TX|34748-4^^LN||Secure message||||||F|||20261122130311-0500
OBX|2|TX|34748-4^^LN||Thread: Home readings||||||F|||20261122130311-0500
OBX|3|TX|34748-4^^LN||From: Maria Cho (mother, proxy)||||||F|||20261122130311-0500
OBX|4|TX|34748-4^^LN||To: Nurse triage (pool)||||||F|||20261122130311-0500
OBX|5|TX|34748-4^^LN||Sent: 2026-11-22 13:03:11 -05:00||||||F|||20261122130311-0500
OBX|6|TX|34748-4^^LN||Received: 2026-11-22 13:03:12 -05:00||||||F|||20261122130311-0500
OBX|7|TX|34748-4^^LN||Message id: texting t-1/m-1||||||F|||20261122130311-0500
OBX|8|TX|34748-4^^LN||Text: 21 bytes||||||F|||20261122130311-0500
OBX|9|TX|34748-4^^LN||||||||F|||20261122130311-0500
OBX|10|TX|34748-4^^LN||BP 98\F\60||||||F|||20261122130311-0500
OBX|11|TX|34748-4^^LN||and \S\well\S\\X0D\\X07\||||||F|||20261122130311-0500
`
	if got := strings.ReplaceAll(string(w.Body), "\r", "\n"); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	if w.Type != "MDM" || w.Method != "MDM" || w.URL != "T02" || w.Symbolic() || w.Provides != connector.SymMessage("t-1/m-1") ||
		w.Expect.Subject != connector.SymPatient || w.Expect.Text != connector.Hash([]byte(x.Message.Text)) || w.Identity.Value != "t-1/m-1" {
		t.Errorf("the write is %s %s of %s", w.Method, w.URL, w.Type)
	}
}

// TestMDMChain: each later document names the one it replaces or belongs to, and no two share an id.
func TestMDMChain(t *testing.T) {
	id := control("t-1/m-1")
	for name, c := range map[string]struct {
		kind                    connector.ItemKind
		changes                 []func(*connector.Exchange)
		event, document, parent string
		control, says           string
	}{
		"correction": {connector.ItemCorrection, []func(*connector.Exchange){correction(2, 1)}, "T10", id + "-v2", id + "-v1", "t-1/m-1/r2", "corrected words"},
		"second":     {connector.ItemCorrection, []func(*connector.Exchange){correction(3, 1, 2)}, "T10", id + "-v3", id + "-v2", "t-1/m-1/r3", "corrected words"},
		"late one":   {connector.ItemCorrection, []func(*connector.Exchange){correction(2, 1, 3)}, "T06", id + "-v2", id + "-v3", "t-1/m-1/r2", "filed late"},
		"retraction": {connector.ItemRetraction, []func(*connector.Exchange){retraction(1, 2)}, "T10", id + "-retracted", id + "-v2", "t-1/m-1/retracted", "Retracted: "},
		"failed": {connector.ItemStatus, []func(*connector.Exchange){toPatient(connector.Failed)}, "T06", control("t-1/m-1/not-delivered") + "-v1", id + "-v1",
			"t-1/m-1/not-delivered", "NOT DELIVERED"},
	} {
		w, d := mdmOf(t, mdmPolicy(), exchange(c.kind, connector.AsMDM, append([]func(*connector.Exchange){daniel}, c.changes...)...))
		if d.Event != c.event || d.TXA.Document.ID != c.document || d.TXA.Parent.ID != c.parent || d.Header.ControlID != control(c.control) {
			t.Errorf("%s: %s %s of %s, MSH-10 %s", name, d.Event, d.TXA.Document.ID, d.TXA.Parent.ID, d.Header.ControlID)
		}
		if text := hl7.TextOf(d.Content); !strings.Contains(text, c.says) {
			t.Errorf("%s says %q", name, text)
		}
		if name == "retraction" && !strings.HasPrefix(hl7.TextOf(d.Content), "Retracted: ") {
			t.Error("a retraction does not begin with the word")
		}
		if w.Identity.Value != c.control {
			t.Errorf("%s is known as %s", name, w.Identity.Value)
		}
	}
}

// TestMDMRetractsWhatWasAdded: a version that was filed late stands beside the newest one, and what replaces that leaves it
// there. Each is replaced by itself, under ids of their own.
func TestMDMRetractsWhatWasAdded(t *testing.T) {
	id := control("t-1/m-1")
	x := exchange(connector.ItemRetraction, connector.AsMDM, daniel, retraction(1, 2, 3, 4), func(x *connector.Exchange) { x.Added = []int{2, 3} })
	writes, err := filing.Plan(mdmPolicy(), connector.Traits{Strategy: connector.AsMDM, Echo: connector.EchoNone}, x)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	keys := map[string]bool{}
	for _, w := range writes {
		d := readMDM(t, w)
		if text := hl7.TextOf(d.Content); !strings.HasPrefix(text, "Retracted: wrong patient") {
			t.Errorf("%s says %q", d.TXA.Document.ID, text)
		}
		got, keys[w.Key], keys[w.Provides], keys[d.Header.ControlID] = append(got, d.Event+" "+d.TXA.Document.ID+" of "+d.TXA.Parent.ID), true, true, true
	}
	want := []string{"T10 " + id + "-v2-taken of " + id + "-v2", "T10 " + id + "-v3-taken of " + id + "-v3", "T10 " + id + "-retracted of " + id + "-v4"}
	if !slices.Equal(got, want) || len(keys) != 9 {
		t.Errorf("wrote %q under %d names", got, len(keys))
	}
}

// TestMDMOfNothing: what has no document of its own leaves no message.
func TestMDMOfNothing(t *testing.T) {
	for name, x := range map[string]connector.Exchange{
		"header": exchange(connector.ItemHeader, connector.AsMDM, daniel), "close": exchange(connector.ItemClose, connector.AsMDM, daniel),
		"reopen":    exchange(connector.ItemReopen, connector.AsMDM, daniel),
		"delivered": exchange(connector.ItemStatus, connector.AsMDM, daniel, toPatient(connector.Delivered)),
		"internal":  exchange(connector.ItemExchange, connector.AsMDM, daniel, func(x *connector.Exchange) { x.Message.Direction = connector.Internal }),
		"failed and said so": exchange(connector.ItemStatus, connector.AsMDM, daniel, toPatient(connector.Failed),
			func(x *connector.Exchange) { x.Charted.State = connector.Failed }),
		"failed and not on the chart": exchange(connector.ItemStatus, connector.AsMDM, daniel, toPatient(connector.Failed),
			func(x *connector.Exchange) { x.Revisions = nil }),
	} {
		policy := mdmPolicy()
		policy.Internal = true
		if w, err := filing.Plan(policy, connector.Traits{Strategy: connector.AsMDM}, x); err != nil || len(w) > 0 {
			t.Errorf("%s: %d writes, %v", name, len(w), err)
		}
	}
}

// TestMDMWords: every text is in its document as one run of its bytes, cut out by the count before it.
func TestMDMWords(t *testing.T) {
	for _, text := range []string{"", " ", "\n", "\n\n\nx\n\n", "a\r\nb\rc", `|^~\& \F\ \.br\ \X0D\`, "\x00\x0b\x1c\x1f\x7f", "é e\u0301 🙂\u2028", `""`,
		"Text: 3 bytes\n\nabc", "MSH|^~\\&|", "{patient}", strings.Repeat("x\n", 3000)} {
		for _, files := range [][]connector.Attachment{nil, {{ID: "a", ContentType: "image/png", Data: []byte("png")}}, {{ID: "a", ContentType: "image/png", Data: []byte("png")}, {ID: "b", ContentType: "video/mp4", Data: []byte("film")}}} {
			x := exchange(connector.ItemExchange, connector.AsMDM, daniel, func(x *connector.Exchange) { x.Message.Text, x.Message.Attachments = text, files })
			_, d := mdmOf(t, mdmPolicy(), x)
			got, ok := filing.Words([]byte(hl7.TextOf(d.Content)))
			if !ok || string(got) != text {
				t.Errorf("%.40q with %d files reads as %.40q (%v)", text, len(files), got, ok)
			}
		}
	}
	x := exchange(connector.ItemExchange, connector.AsMDM, daniel, func(x *connector.Exchange) { x.Message.Text = "\xff" })
	if _, err := filing.Plan(mdmPolicy(), connector.Traits{Strategy: connector.AsMDM}, x); detail(err) == "" {
		t.Errorf("text that is not UTF-8: %v", err)
	}
}

// TestMDMFiles: pictures and PDFs that are small enough travel as ED; the others are named.
func TestMDMFiles(t *testing.T) {
	x := exchange(connector.ItemExchange, connector.AsMDM, daniel, func(x *connector.Exchange) {
		x.Message.Attachments = []connector.Attachment{{ID: "a", Filename: "form.pdf", ContentType: "application/pdf", Data: []byte("%PDF-1.7")},
			{ID: "b", Filename: "photo.jpg", ContentType: "image/JPEG; q=1", Data: []byte("jpeg")},
			{ID: "c", Filename: "big.pdf", ContentType: "application/pdf", Data: bytes.Repeat([]byte("x"), 1001)},
			{ID: "d", Filename: "voice.ogg", ContentType: "audio/ogg", Data: []byte("ogg")}}
	})
	w, d := mdmOf(t, mdmPolicy(), x)
	var kinds []string
	for _, o := range d.Content {
		if o.Type == hl7.Encapsulated {
			ed := hl7.ReadED(o.Value[0])
			kinds = append(kinds, ed.Type+"/"+ed.Subtype+" "+ed.Encoding+" "+ed.Data)
		}
	}
	if !reflect.DeepEqual(kinds, []string{"application/pdf Base64 JVBERi0xLjc=", "image/jpeg Base64 anBlZw=="}) {
		t.Errorf("files: %q", kinds)
	}
	if !reflect.DeepEqual(w.Expect.Attachments, []string{connector.Hash([]byte("%PDF-1.7")), connector.Hash([]byte("jpeg"))}) {
		t.Errorf("the chart is expected to show %v", w.Expect.Attachments)
	}
	text := hl7.TextOf(d.Content)
	kept, carried, ok := strings.Cut(text, "Attachments (in this document):")
	if !ok || !strings.Contains(kept, "big.pdf") || !strings.Contains(kept, "voice.ogg") || !strings.Contains(carried, "form.pdf") || !strings.Contains(carried, "photo.jpg") {
		t.Errorf("the files are named so: %s", text)
	}
}

// TestMDMSigner: a signature is the site's to claim, with the person it names; never a sender's.
func TestMDMSigner(t *testing.T) {
	doe := hl7.XCN{ID: "1234", Family: "DOE", Given: "ANA"}
	for completion, named := range map[string]bool{"DO": false, "DO ": true, "AU": true, "LA": true} {
		completion = strings.TrimSpace(completion)
		policy := mdmPolicy(func(m *filing.MDM) {
			m.Completion = completion
			if named {
				m.Authenticator = &doe
			}
		})
		w, d := mdmOf(t, policy, exchange(connector.ItemExchange, connector.AsMDM, daniel, toPatient(connector.Sent)))
		signed := completion != "DO"
		switch {
		case d.TXA.Completion != completion, (len(d.TXA.Authenticators) == 1) != signed, (len(d.TXA.AssignedAuthenticator) == 1) != (named && !signed):
			t.Errorf("%s, named %v: TXA-17 %s, TXA-22 %v, TXA-10 %v", completion, named, d.TXA.Completion, d.TXA.Authenticators, d.TXA.AssignedAuthenticator)
		case signed && (d.TXA.Authenticators[0].XCN != doe || d.TXA.Authenticators[0].Time.IsZero()):
			t.Errorf("%s: signed by %v", completion, d.TXA.Authenticators)
		}
		txa := string(w.Body[bytes.Index(w.Body, []byte("\rTXA")):])
		if txa, _, _ = strings.Cut(txa[1:], "\r"); strings.Contains(txa, "Rivera") || strings.Contains(txa, "prac-ana") {
			t.Errorf("%s: the sender stands in TXA: %s", completion, txa)
		}
	}
}

// TestMDMPatient: PID-3 is the identifier the thread is bound by, and no other patient's.
func TestMDMPatient(t *testing.T) {
	two := func(x *connector.Exchange) {
		daniel(x)
		x.Who.Identifiers = append(x.Who.Identifiers, connector.Identifier{System: "urn:plan", Value: "A1"})
	}
	_, d := mdmOf(t, mdmPolicy(), exchange(connector.ItemExchange, connector.AsMDM, two))
	if d.Patient.Identifiers[0].ID != "MRN|123" {
		t.Errorf("before it is bound: %v", d.Patient.Identifiers)
	}
	member := filing.PatientReference(hl7.CX{ID: "A1", Authority: hl7.HD{Namespace: "PLAN"}, Type: "MB"})
	_, d = mdmOf(t, mdmPolicy(), exchange(connector.ItemExchange, connector.AsMDM, two, func(x *connector.Exchange) { x.Patient = member }))
	if len(d.Patient.Identifiers) != 1 || d.Patient.Identifiers[0].ID != "A1" {
		t.Errorf("bound by A1, filed for %v", d.Patient.Identifiers)
	}
	for name, c := range map[string]struct {
		change func(*connector.Exchange)
		reason connector.Reason
		says   string
	}{
		"another patient":     {func(x *connector.Exchange) { x.Patient = "Patient/other" }, connector.PatientChanged, "bound"},
		"no authority":        {func(x *connector.Exchange) { x.Who.Identifiers = x.Who.Identifiers[:1] }, connector.GateRefused, "add urn:unknown to hl7.authorities"},
		"no identifier":       {func(x *connector.Exchange) { x.Who = connector.PatientKey{} }, connector.GateRefused, "hl7.authorities"},
		"a visit's authority": {func(x *connector.Exchange) { x.Who.Identifiers[1].System = "urn:visits" }, connector.GateRefused, "urn:visits"},
	} {
		_, err := filing.Plan(mdmPolicy(), connector.Traits{Strategy: connector.AsMDM}, exchange(connector.ItemExchange, connector.AsMDM, daniel, c.change))
		var refused *connector.Refused
		if !errors.As(err, &refused) || refused.Reason != c.reason || !strings.Contains(detail(err), c.says) {
			t.Errorf("%s: %v (%s)", name, err, detail(err))
		}
	}
	_, d = mdmOf(t, mdmPolicy(), exchange(connector.ItemExchange, connector.AsMDM, daniel, func(x *connector.Exchange) { x.Who.Name = nil }))
	if d.Patient.Names[0] != (hl7.XPN{Type: "U"}) {
		t.Errorf("a patient nobody named is %v", d.Patient.Names)
	}
}

// control is MSH-10 of what has this value in the channel of these tests.
func control(value string) string {
	x := exchange(connector.ItemExchange, connector.AsMDM)
	return connector.ControlID(connector.Identifier{System: strings.TrimSuffix(x.Base, "/") + "/" + x.Channel + "/message", Value: value})
}

// TestMDMCancels: where the site has it so, a retraction cancels every document of the message, the one that was replaced first.
func TestMDMCancels(t *testing.T) {
	p := mdmPolicy()
	p.MDM.Cancels = true
	x := exchange(connector.ItemRetraction, connector.AsMDM, daniel, retraction(2, 1))
	writes := plan(t, p, connector.Traits{Strategy: connector.AsMDM, Echo: connector.EchoNone}, x)
	if len(writes) != 2 {
		t.Fatalf("%d messages", len(writes))
	}
	seen := map[string]bool{}
	for n, w := range writes {
		m, err := hl7.Parse(w.Body, hl7.Options{})
		if err != nil {
			t.Fatal(err)
		}
		d, err := hl7.ReadMDM(m)
		if err != nil {
			t.Fatal(err)
		}
		want := control("t-1/m-1") + "-v" + []string{"1", "2"}[n]
		if d.Event != "T11" || d.TXA.Document.ID != want || d.TXA.Parent.ID != "" || d.TXA.Availability != "CA" || len(d.Content) != 0 {
			t.Errorf("%d: %s %s", n, d.Event, w.Body)
		}
		if w.Expect.Text != "" || w.Expect.Subject != connector.SymPatient || seen[d.Header.ControlID] || seen[w.Key] {
			t.Errorf("%d: %+v", n, w)
		}
		seen[d.Header.ControlID], seen[w.Key] = true, true
	}
}
