package r4

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

var fixedTime = time.Date(2026, 11, 22, 14, 3, 11, 0, time.FixedZone("", -5*3600))

func message() *Communication {
	c := NewCommunication(EventCompleted, NewIdentifier("https://x.example/sid/texting/message", "t-1/m-7"))
	c.PartOf = []Reference{Ref("Communication/thread-1")}
	c.Category = []CodeableConcept{Concept("Patient message", NewCoding(SystemCommunicationCategory, "notification", ""))}
	c.Medium = []CodeableConcept{MediumOnline()}
	c.Subject = Ptr(Ref("Patient/p1"))
	c.Sender = Ptr(LogicalRef("RelatedPerson", NewIdentifier("https://x.example/sid/texting/participant", "r1"), "Maria Cho (mother)"))
	c.Recipient = []Reference{Ref("CareTeam/ct1")}
	c.SetSent(fixedTime)
	c.Payload = []Payload{StringPayload("BP <98/60> & pulse\n👍"), AttachmentPayload(NewAttachment("image/jpeg", []byte{0xff, 0xd8}, "reading.jpg", fixedTime))}
	return c
}

func TestBuildCommunication(t *testing.T) {
	got, err := message().MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"resourceType":"Communication","identifier":[{"system":"https://x.example/sid/texting/message","value":"t-1/m-7"}],` +
		`"partOf":[{"reference":"Communication/thread-1"}],"status":"completed",` +
		`"category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/communication-category","code":"notification"}],"text":"Patient message"}],` +
		`"medium":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ParticipationMode","code":"ONLINEWRIT","display":"online written"}]}],` +
		`"subject":{"reference":"Patient/p1"},"sent":"2026-11-22T14:03:11-05:00","recipient":[{"reference":"CareTeam/ct1"}],` +
		`"sender":{"type":"RelatedPerson","identifier":{"system":"https://x.example/sid/texting/participant","value":"r1"},"display":"Maria Cho (mother)"},` +
		`"payload":[{"contentString":"BP <98/60> & pulse\n👍"},{"contentAttachment":{"contentType":"image/jpeg","data":"/9g=","size":2,"hash":"JutihdMtEzkwqrmmabEVWqggma4=","title":"reading.jpg","creation":"2026-11-22T14:03:11-05:00"}}]}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestAttachmentHash(t *testing.T) {
	// SHA-1("abc") is a published vector: a9993e364706816aba3e25717850c26c9cd0d89d.
	if got := AttachmentHash([]byte("abc")); got != "qZk+NkcGgWq6PiVxeFDCbJzQ2J0=" {
		t.Errorf("hash of abc is %s", got)
	}
}

func TestBuildIsDeterministic(t *testing.T) {
	first, err := message().MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		again, err := message().MarshalJSON()
		if err != nil || !bytes.Equal(first, again) {
			t.Fatalf("differs: %s (%v)", again, err)
		}
	}
}

func TestBuildRefuses(t *testing.T) {
	const secret = "Zebra"
	for name, c := range map[string]struct {
		change func(*Communication)
		path   string
	}{
		"two contents":        {func(c *Communication) { c.Payload[0].Reference = Ptr(Ref("Binary/1")) }, "Communication.payload[0]"},
		"no content":          {func(c *Communication) { c.Payload[0] = Payload{} }, "Communication.payload[0]"},
		"control character":   {func(c *Communication) { c.Payload[0] = StringPayload(secret + "\x01") }, "Communication.payload[0].contentString"},
		"not UTF-8":           {func(c *Communication) { c.Payload[0] = StringPayload(secret + "\xff") }, "Communication.payload[0].contentString"},
		"blank text":          {func(c *Communication) { c.Payload[0] = StringPayload(" ") }, "Communication.payload[0].contentString"},
		"blank display":       {func(c *Communication) { c.Sender.Display = Ptr("\n") }, "Communication.sender.display"},
		"empty reference":     {func(c *Communication) { c.Subject = &Reference{} }, "Communication.subject"},
		"reference with name": {func(c *Communication) { c.Subject = Ptr(Ref("Patient/" + secret + " Q")) }, "Communication.subject.reference"},
		"empty identifier":    {func(c *Communication) { c.Identifier = append(c.Identifier, Identifier{}) }, "Communication.identifier[1]"},
		"date":                {func(c *Communication) { c.Sent = Ptr("yesterday") }, "Communication.sent"},
		"five-digit year":     {func(c *Communication) { c.SetSent(time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC)) }, "Communication.sent"},
		"code with spaces":    {func(c *Communication) { c.Category[0].Coding[0].Code = Ptr(" a") }, "Communication.category[0].coding[0].code"},
		"system with space":   {func(c *Communication) { c.Identifier[0].System = Ptr("a b") }, "Communication.identifier[0].system"},
		"bad id":              {func(c *Communication) { c.Id = Ptr(secret + "/1") }, "Communication.id"},
		"att-1":               {func(c *Communication) { c.Payload[1].Attachment.ContentType = nil }, "Communication.payload[1].contentAttachment.contentType"},
		"samply's payload":    {func(c *Communication) { c.Communication.Payload = samplyPayload() }, "Communication.payload"},
	} {
		m := message()
		c.change(m)
		_, err := m.MarshalJSON()
		var problem *Problem
		if !errors.As(err, &problem) || problem.Path != c.path {
			t.Errorf("%s: %v, want a problem at %s", name, err, c.path)
			continue
		}
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error quotes the value: %v", name, err)
		}
	}
}

func TestReferenceForms(t *testing.T) {
	for reference, want := range map[string]bool{
		"Patient/p1": true, "Patient/p1/_history/2": true, "https://ehr.example/fhir/Patient/1": true,
		"urn:uuid:6f1d0c1e-5d0b-4a57-9a55-2f1f0b1f0a01": true, "#a1": true, "{patient}": true,
		"Patient?identifier=urn:oid:1.2|3": true, "{message:t/m}": true,
		"": false, "patient/1": false, "Patient/": false, "Patient": false, "Patient/a b": false, "#": false,
		"javascript:alert(1)": false, "urn:uuid:": false, "{a}{b}": false, "Patient/a/b/c": false,
	} {
		if got := validReference(reference); got != want {
			t.Errorf("%q: %v", reference, got)
		}
	}
}

func TestDocumentReference(t *testing.T) {
	d := NewDocumentReference(NewIdentifier("https://x.example/sid/t/message", "t/m"),
		Concept("Secure message", NewCoding(SystemLOINC, "34748-4", "Telephone encounter Note")), Ref("Patient/p1"),
		NewAttachment(ContentTypePlain, []byte("hello"), "", fixedTime))
	d.SetDate(fixedTime)
	d.SetContext("Encounter/e1", fixedTime, fixedTime.Add(time.Hour))
	d.Relate(RelationReplaces, Ref("DocumentReference/d0"))
	d.DocStatus = Ptr(DocFinal)
	d.ClaimUSCore()
	raw, err := d.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		`"status":"current"`, `"docStatus":"final"`, `"code":"clinical-note"`, `"code":"replaces","target":{"reference":"DocumentReference/d0"}`,
		`"period":{"start":"2026-11-22T14:03:11-05:00","end":"2026-11-22T15:03:11-05:00"}`, `"encounter":[{"reference":"Encounter/e1"}]`,
		`"profile":["http://hl7.org/fhir/us/core/StructureDefinition/us-core-documentreference"]`, `"data":"aGVsbG8="`, `"date":"2026-11-22T14:03:11-05:00"`,
	} {
		if !strings.Contains(string(raw), part) {
			t.Errorf("no %s in %s", part, raw)
		}
	}
	if d.SetContext("", time.Time{}, time.Time{}); d.Context != nil {
		t.Error("an empty context stays")
	}
	if _, err := NewDocumentReference(NewIdentifier("s", "v"), Concept("x"), Ref("Patient/1")).MarshalJSON(); err == nil {
		t.Error("a document without content was built")
	}
}

func TestFind(t *testing.T) {
	media := []CodeableConcept{Concept("text"), MediumOnline(), Concept("", NewCoding("urn:x/channel", "texting", ""))}
	if code, ok := FindCode(media, "urn:x/channel"); !ok || code != "texting" {
		t.Errorf("%q %v", code, ok)
	}
	if _, ok := FindCode(media, "urn:y"); ok {
		t.Error("a code of no system")
	}
	ids := []Identifier{{}, NewIdentifier("urn:a", "1"), NewIdentifier("urn:b", "2")}
	if value, ok := FindIdentifier(ids, "urn:b"); !ok || value != "2" {
		t.Errorf("%q %v", value, ok)
	}
	if _, ok := FindIdentifier(ids, ""); ok {
		t.Error("an identifier of no system")
	}
}

func TestOtherBuilders(t *testing.T) {
	provenance := NewProvenance(fixedTime, Ref("Communication/c1"))
	provenance.Author(Ref("Practitioner/d1"), Ptr(Ref("Organization/o1")))
	provenance.Transmitter(Ref("Organization/o1"), nil)
	provenance.SetActivity("CREATE")
	provenance.SetOccurred(fixedTime)
	provenance.Revision(Ref("Communication/c0"))
	task := NewTask(TaskRequested, NewIdentifier("s", "v"), Ref("Communication/c1"), Ref("Patient/p1"))
	task.SetTimes(fixedTime, fixedTime)
	request := NewCommunicationRequest(RequestActive, NewIdentifier("s", "v"))
	request.SetAuthoredOn(fixedTime)
	request.SetOccurrence(fixedTime)
	request.Payload = []Payload{StringPayload("hi")}
	for name, c := range map[string]struct {
		build json.Marshaler
		want  string
	}{
		"Provenance": {provenance, `{"resourceType":"Provenance","target":[{"reference":"Communication/c1"}],"occurredDateTime":"2026-11-22T14:03:11-05:00","recorded":"2026-11-22T14:03:11-05:00",` +
			`"activity":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-DataOperation","code":"CREATE"}]},` +
			`"agent":[{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/provenance-participant-type","code":"author","display":"Author"}]},"who":{"reference":"Practitioner/d1"},"onBehalfOf":{"reference":"Organization/o1"}},` +
			`{"type":{"coding":[{"system":"http://hl7.org/fhir/us/core/CodeSystem/us-core-provenance-participant-type","code":"transmitter","display":"Transmitter"}]},"who":{"reference":"Organization/o1"}}],` +
			`"entity":[{"role":"revision","what":{"reference":"Communication/c0"}}]}`},
		"RelatedPerson": {NewRelatedPerson(NewIdentifier("s", "v"), Ref("Patient/p1")), `{"resourceType":"RelatedPerson","identifier":[{"system":"s","value":"v"}],"active":true,"patient":{"reference":"Patient/p1"}}`},
		"Binary":        {NewBinary("text/plain", []byte("a"), "Patient/p1"), `{"resourceType":"Binary","contentType":"text/plain","securityContext":{"reference":"Patient/p1"},"data":"YQ=="}`},
		"Subscription": {NewSubscription("CommunicationRequest?status=active", "https://us.example/ehrs/a/notify", "EHR-born requests", "X-Secret: s"),
			`{"resourceType":"Subscription","status":"requested","reason":"EHR-born requests","criteria":"CommunicationRequest?status=active","channel":{"type":"rest-hook","endpoint":"https://us.example/ehrs/a/notify","header":["X-Secret: s"]}}`},
		"Task":                 {task, `{"resourceType":"Task","identifier":[{"system":"s","value":"v"}],"status":"requested","intent":"order","focus":{"reference":"Communication/c1"},"for":{"reference":"Patient/p1"},"authoredOn":"2026-11-22T14:03:11-05:00","lastModified":"2026-11-22T14:03:11-05:00"}`},
		"CommunicationRequest": {request, `{"resourceType":"CommunicationRequest","identifier":[{"system":"s","value":"v"}],"status":"active","occurrenceDateTime":"2026-11-22T14:03:11-05:00","authoredOn":"2026-11-22T14:03:11-05:00","payload":[{"contentString":"hi"}]}`},
	} {
		got, err := c.build.MarshalJSON()
		if err != nil || string(got) != c.want {
			t.Errorf("%s (%v)\ngot  %s\nwant %s", name, err, got, c.want)
		}
	}
}

func BenchmarkBuildCommunication(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := message().MarshalJSON(); err != nil {
			b.Fatal(err)
		}
	}
}
