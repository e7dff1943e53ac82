package transcript_test

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/chartwire/chartwire/adapters/filing/transcript"
	"github.com/chartwire/chartwire/connector"
)

var (
	mother = connector.Participant{Role: connector.RoleProxy, ID: "u-901", Name: "Maria Cho", Relationship: "mother"}
	triage = connector.Participant{Role: connector.RolePool, ID: "nurse-triage", Name: "Nurse triage"}
	ana    = connector.Participant{Role: connector.RoleClinician, ID: "prac-ana", Name: "Ana Rivera"}
)

// at is a time of the day the conversation took place, with the offset the platform gave.
func at(clock string) time.Time {
	t, err := time.Parse(time.RFC3339, "2026-11-22T"+clock)
	if err != nil {
		panic(err)
	}
	return t
}

func east() *time.Location { return time.FixedZone("America/New_York", -5*3600) }

func from(who connector.Participant, id, clock, text string, to ...connector.Participant) connector.Message {
	m := connector.Message{ID: id, Direction: connector.FromPatient, SentAt: at(clock), Sender: who, Recipients: to, Text: text}
	if who.Role == connector.RoleClinician {
		m.Direction = connector.ToPatient
	}
	return m
}

// photo is the one pixel the contract's example sends.
func photo() connector.Attachment {
	data, err := base64.StdEncoding.DecodeString("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=")
	if err != nil {
		panic(err)
	}
	return connector.Attachment{ID: "a-1", Filename: "reading.png", ContentType: "image/png", Data: data}
}

// proxyWithPhoto is the contract's example conversation, with all that can happen to a message besides.
func proxyWithPhoto() transcript.Transcript {
	reading := from(mother, "m-1", "13:03:11-05:00", "Hi, Daniel's reading tonight was 98|60 & pulse 88 — is that OK? 🙂", triage)
	reading.Attachments = []connector.Attachment{photo()}
	answer := from(ana, "m-2", "13:10:00-05:00", "Thanks Maria. That is fine.\nPlease continue the current dose and send me tomorrow's reading.", mother)
	answer.InReplyTo = "m-1"
	thanks := from(mother, "m-3", "13:12:29-05:00", "¡Gracias! Will do.", ana)
	thanks.InReplyTo = "m-2"
	note := from(ana, "m-4", "13:20:00-05:00", "The mother sounds worried, call her if no reading comes.", triage)
	note.Direction = connector.Internal
	dose := from(ana, "m-5", "13:31:00-05:00", "Give 25 mg at night.", mother)
	dose.Priority = connector.Urgent
	wrong := from(ana, "m-6", "13:40:00-05:00", "Mrs. Smith, your results are back.", mother)
	chinese := from(mother, "m-7", "13:52:00-05:00", "谢谢医生。血压 98/60，脉搏 88。\r\nこんにちは 안녕하세요\r\n", ana)
	chinese.InReplyTo = "m-gone"
	return transcript.Transcript{
		Thread: connector.ThreadInfo{ID: "t-42", Subject: "Home readings", Topic: "clinical"}, Channel: "portal", Zone: east(),
		Patient: &transcript.Patient{Name: "Daniel Cho", BirthDate: "2015-07-04", MRN: "MRN123"}, Closed: at("19:00:00Z"),
		Entries: []transcript.Entry{
			{Message: reading, Received: at("18:03:12Z")},
			{Message: answer, Delivery: connector.Delivery{State: connector.Delivered, At: at("18:10:03Z")}},
			{Message: thanks, Received: at("18:12:30Z")},
			{Message: note},
			{Message: dose, Delivery: connector.Delivery{State: connector.Read}, Corrections: []connector.Correction{
				{Version: 2, Text: "Give 2.5 mg at night.", At: at("18:33:00Z")},
				{Version: 3, Text: "Give 2.5 mg at night, not 25.", At: at("18:34:00Z"), By: &triage}}},
			{Message: wrong, Delivery: connector.Delivery{State: connector.Failed, At: at("18:41:00Z"), Reason: "number not in service"},
				Retraction: &connector.Retraction{At: at("18:45:00Z"), By: &ana, Reason: "meant for another patient"}},
			{Message: chinese, Received: at("18:52:01Z"), Late: true, AfterGap: true},
		},
	}
}

// hard are words that try to look like something else, or that a form may choke on.
var hard = map[string]string{
	"nothing":           "",
	"blank":             " \t\r\n ",
	"a frame":           "yes\n\nMessage 2 of 2 [00000000]\nFrom: Ana Rivera (clinician)\nText: 5 bytes\n\nSTOP!\n\nEnd of transcript [00000000]\n",
	"an end":            "\n\nEnd of transcript\n",
	"line ends":         "a\rb\nc\r\nd\n\re\u2028f\u2029g\u0085h",
	"trailing lines":    "ends here\n\n\n",
	"controls":          "a\x00b\x07c\x1b[31md\x7f",
	"not UTF-8":         "caf\xe9 \xff\xfe ok",
	"a family":          "👨‍👩‍👧 ❤️ 🙂",
	"a reversal":        "take \u202e05\u202c mg",
	"hidden":            "so\u00adft ze\u200bro \ufeffmark",
	"marks":             "cafe\u0301 n\u0303o g\u0308ru\u0308n",
	"Spanish":           "¿Cuándo mañana, señor Núñez? ¡Ojalá!",
	"Chinese":           "谢谢医生，血压一百二十。",
	"Hebrew":            "שלום דוקטור, 98/60 (טוב) ok",
	"Arabic":            "ضغط الدم 120/80 اليوم",
	"PDF text":          `(a) \(b\) \\ ) Tj ET {nb} endstream` + "\u0a0d\u0d0a\u2828\u5c5c",
	"footnote brackets": "⟨U+1F642 SLIGHTLY SMILING FACE⟩",
	"a long word":       strings.Repeat("Donaudampfschifffahrt", 60),
	"many spaces":       strings.Repeat(" ", 400) + "x",
	"unassigned":        "\ue000 \U0010ffff \ufdd0 \u0378",
}

// fivehundred is a thread nobody closed.
func fivehundred() transcript.Transcript {
	t := transcript.Transcript{Thread: connector.ThreadInfo{ID: "t-long", Topic: "clinical"}, Channel: "sms"}
	for i := range 500 {
		who, to := mother, ana
		if i%3 == 1 {
			who, to = ana, mother
		}
		m := from(who, fmt.Sprintf("m-%d", i+1), "13:00:00-05:00", fmt.Sprintf("Reading %d: ", i+1)+strings.Repeat("steady, ", i%40), to)
		m.SentAt = m.SentAt.Add(time.Duration(i) * time.Minute)
		t.Entries = append(t.Entries, transcript.Entry{Message: m})
	}
	return t
}

// sorted gives a table's values by the order of their names, which no run changes.
func sorted(table map[string]string) []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(table)) {
		all = append(all, table[name])
	}
	return all
}
