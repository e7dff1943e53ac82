package ehrtest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/chartwire/chartwire/connector"
)

const threadID = "t-conform"

var (
	sentAt     = time.Date(2026, 11, 22, 13, 3, 11, 0, time.FixedZone("", -5*3600))
	receivedAt = sentAt.Add(2 * time.Second).UTC()
)

// exchange is a message from the patient; the changes make it another.
func (r *Rig) exchange(s connector.Strategy, kind connector.ItemKind, message, text string, changes ...func(*connector.Exchange)) connector.Exchange {
	x := connector.Exchange{
		Kind: kind, Base: r.Base, Channel: r.Channel, Strategy: s, Revision: 1, Received: receivedAt, Receipts: true,
		Thread: connector.ThreadInfo{ID: threadID, Subject: "Conformance"},
		Message: connector.Message{ID: message, Direction: connector.FromPatient, SentAt: sentAt, Text: text,
			Sender:     connector.Participant{Role: connector.RolePatient},
			Recipients: []connector.Participant{{Role: connector.RolePool, ID: "some-pool", Name: "Some pool"}}},
		Refs: map[string]connector.Reference{}, Missing: map[string]bool{}, Patient: r.patient, Who: r.Patient,
		Encounter: r.visit,
	}
	if kind == connector.ItemStatus {
		x.Revisions = []int{1}
	}
	if r.Message != nil {
		r.Message(&x)
	}
	for _, c := range changes {
		c(&x)
	}
	return x
}

// header files the thread's header where the strategy has one.
func (r *Rig) header(s connector.Strategy) connector.Exchange {
	return r.exchange(s, connector.ItemHeader, "", "")
}

func messageID(r *Rig, x connector.Exchange) connector.Identifier {
	value := threadID + "/" + x.Message.ID
	if x.Revision > 1 {
		value = fmt.Sprintf("%s/r%d", value, x.Revision)
	}
	return connector.Identifier{System: r.Base + "/" + r.Channel + "/message", Value: value}
}

func toPatient(state connector.SendState) func(*connector.Exchange) {
	return func(x *connector.Exchange) {
		x.Message.Direction = connector.ToPatient
		x.Message.Sender = connector.Participant{Role: connector.RoleClinician, ID: "c-1", Name: "Some Clinician"}
		x.Message.Recipients = []connector.Participant{{Role: connector.RolePatient}}
		x.Delivery = connector.Delivery{State: state, At: receivedAt.Add(time.Minute)}
	}
}

func fromProxy(x *connector.Exchange) {
	x.Message.Sender = connector.Participant{Role: connector.RoleProxy, ID: "proxy-1", Name: "Some Proxy", Relationship: "mother"}
	x.Missing["proxy-1"] = true
}

func withFile(x *connector.Exchange) {
	x.Message.Attachments = []connector.Attachment{{ID: "a-1", Filename: "photo.png", ContentType: "image/png", Data: []byte("\x89PNG not really")}}
}

// awkward are texts that have broken systems like this one.
var awkward = []string{
	"hello", "<b>bold</b> &amp; <script>alert(1)</script>", `|^~\& \F\ \.br\`, "one\ntwo\r\nthree\rfour", "  leading and trailing  ",
	"\ttabbed", " ", "\n", "\x00", "bell \x07 and escape \x1b[31m", "\u202Eright to left\u202C", "🙂 👩‍👩‍👧 🏳️‍🌈", "\uFEFFbom", "line\u2028separator",
	"{patient}", `{"reference":"{header}"}`, "é and e\u0301 are not the same bytes", "del \x7f", "noncharacter \uFFFE", "nel \u0085",
	strings.Repeat("x", 20000), "Text: 3 bytes\n\nabc", "0", "null", "a\\u0041",
}

// texts are the awkward ones and n random ones; the same each run.
func texts(n int) []string {
	out := append([]string(nil), awkward...)
	rng := rand.New(rand.NewPCG(20261122, 1))
	pieces := []rune("a Z9\n\r\t|^~\\&<>\"'{}[]%;\x00\x07\x1b\x7f\u0085\u00a0\u202e\u2028\ufeff\ufffd\ufffe\u0301é漢🙂")
	for range n {
		var b strings.Builder
		for range 1 + rng.IntN(60) {
			b.WriteRune(pieces[rng.IntN(len(pieces))])
		}
		out = append(out, b.String())
	}
	return out
}
