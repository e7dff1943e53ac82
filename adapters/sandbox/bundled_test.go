package sandbox_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"github.com/chartwire/chartwire/adapters/sandbox/contracts"
	"github.com/chartwire/chartwire/adapters/sandbox/platform"
	"github.com/chartwire/chartwire/adapters/sandbox/seed"
	"github.com/chartwire/chartwire/testdata/threads"
)

// bundled is an event as these tests read it.
type bundled struct {
	Type string
	Data struct {
		Thread  struct{ ID, Priority string }
		Patient *struct {
			Phone string
		}
		Message *struct {
			ID, Direction, Text string
			Sequence            int
			Sender              struct{ Role string }
			Recipients          []struct{ Role string }
			Attachments         []struct {
				Data, URL, SHA256 string
				ContentType       string `json:"content_type"`
				Size              int
			}
		}
		Status  struct{ State string }
		Consent struct{ State string }
	}
}

func readBundled(t *testing.T) []bundled {
	t.Helper()
	var out []bundled
	for _, name := range threads.Names() {
		events, err := threads.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		for i, raw := range events {
			if err := contracts.Event(raw); err != nil {
				t.Errorf("%s line %d: %v", name, i+1, err)
			}
			var e bundled
			if err := json.Unmarshal(raw, &e); err != nil {
				t.Fatalf("%s line %d: %v", name, i+1, err)
			}
			out = append(out, e)
		}
	}
	return out
}

func TestBundledThreadsShowEverything(t *testing.T) {
	seen := map[string]bool{}
	all := ""
	lastSequence := map[string]int{}
	for _, e := range readBundled(t) {
		seen[e.Type] = true
		seen["status "+e.Data.Status.State] = true
		seen["consent "+e.Data.Consent.State] = true
		seen["priority "+e.Data.Thread.Priority] = true
		if p := e.Data.Patient; p != nil && !strings.HasPrefix(p.Phone, "+1500555") {
			t.Errorf("%s: a phone number that may be someone's", e.Data.Thread.ID)
		}
		m := e.Data.Message
		if m == nil {
			continue
		}
		seen[m.Direction], seen["from "+m.Sender.Role] = true, true
		for _, r := range m.Recipients {
			seen["to "+r.Role] = true
		}
		if m.Sequence == 0 {
			seen["no sequence"] = true
		} else if m.Sequence < lastSequence[e.Data.Thread.ID] {
			seen["out of order"] = true
		}
		lastSequence[e.Data.Thread.ID] = m.Sequence
		for _, a := range m.Attachments {
			seen["attachment "+a.ContentType] = true
			seen["attachment by url"] = seen["attachment by url"] || a.URL != ""
			if m.Text == "" {
				seen["attachment only"] = true
			}
		}
		if m.Text != "" && strings.TrimFunc(m.Text, unicode.IsSpace) == "" {
			seen["blank text"] = true
		}
		all += m.Text + "\n"
	}
	for _, want := range []string{
		"message.created", "message.status", "message.corrected", "message.retracted", "thread.closed", "thread.reopened", "consent.updated",
		"from proxy", "from patient", "from clinician", "from staff", "from system", "to pool", "internal", "priority urgent", "no sequence",
		"out of order", "blank text", "attachment image/png", "attachment application/pdf", "attachment by url", "attachment only",
		"status sent", "status delivered", "status read", "status failed", "consent granted", "consent revoked",
	} {
		if !seen[want] {
			t.Errorf("no bundled thread shows %q", want)
		}
	}
	for _, want := range []string{"<script>", `|^~\&`, "\r\n", "\u202e", "\x00", "\x07", "\x1b", "🙏", "ñ", "é", "中文", "العربية", "👨‍👩‍👧‍👦"} {
		if !strings.Contains(all, want) {
			t.Errorf("no bundled text holds %q", want)
		}
	}
}

func TestBundledAttachmentsAreWhatTheySay(t *testing.T) {
	media := map[string]threads.Medium{}
	for _, m := range threads.Media() {
		if m.ContentType == "" || len(m.Data) == 0 {
			t.Errorf("%s has no type or no content", m.ID)
		}
		media[platform.MediaOrigin+"/media/"+m.ID] = m
	}
	for _, e := range readBundled(t) {
		if e.Data.Message == nil {
			continue
		}
		for _, a := range e.Data.Message.Attachments {
			data, err := base64.StdEncoding.DecodeString(a.Data)
			if a.URL != "" {
				data = media[a.URL].Data
			}
			sum := sha256.Sum256(data)
			if err != nil || len(data) == 0 || a.Size != 0 && a.Size != len(data) || a.SHA256 != "" && a.SHA256 != hex.EncodeToString(sum[:]) {
				t.Errorf("%s/%s: %d bytes, %v", e.Data.Thread.ID, e.Data.Message.ID, len(data), err)
			}
		}
	}
}

func TestBundledPeopleCanBeSeeded(t *testing.T) {
	people, err := seed.FromEvents(threads.All())
	if err != nil {
		t.Fatal(err)
	}
	_, refs := seed.Bundle(people)
	if len(people.Patients) != 7 || len(refs.Twins) != 14 || refs.Pools["nurse-triage"] == "" || refs.People["prac-ana"] == "" {
		t.Errorf("%d patients, refs %+v", len(people.Patients), refs)
	}
	for _, name := range []string{"nobody"} {
		if _, err := threads.Read(name); err == nil || !strings.Contains(err.Error(), "01-proxy-photo") {
			t.Errorf("%v", err)
		}
	}
}
