package shell

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
)

// person is a patient or a practitioner as a list shows them.
type person struct {
	Reference string
	ID        string
	Name      string
	BirthDate string
	MRN       string
}

// entry is one thing on a patient's chart.
type entry struct {
	Reference string
	At        string // as the resource has it
	What      string // type and status
	From      string
	Text      string
	Files     int
}

// named is what the pages read of a Patient or Practitioner.
type named struct {
	Active *bool `json:"active"`
	Name   []struct {
		Text   string   `json:"text"`
		Family string   `json:"family"`
		Given  []string `json:"given"`
	} `json:"name"`
	BirthDate  string `json:"birthDate"`
	Identifier []struct {
		Value string `json:"value"`
	} `json:"identifier"`
}

func personOf(reference string, raw []byte) (person, bool) {
	var n named
	if json.Unmarshal(raw, &n) != nil || n.Active != nil && !*n.Active {
		return person{}, false
	}
	_, id, _ := strings.Cut(reference, "/")
	p := person{Reference: reference, ID: id, BirthDate: n.BirthDate}
	if len(n.Name) > 0 {
		p.Name = cmp.Or(n.Name[0].Text, strings.TrimSpace(strings.Join(n.Name[0].Given, " ")+" "+n.Name[0].Family))
	}
	if len(n.Identifier) > 0 {
		p.MRN = n.Identifier[0].Value
	}
	return p, true
}

// people lists the active ones of a type by name.
func (s *Shell) people(typ string) []person {
	var out []person
	for _, r := range s.o.Chart.All(typ) {
		if p, ok := personOf(r.Reference(), r.Raw); ok {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b person) int { return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.MRN, b.MRN)) })
	return out
}

func (s *Shell) person(reference string) (person, bool) {
	typ, id, _ := strings.Cut(reference, "/")
	r, ok := s.o.Chart.Get(typ, id)
	if !ok {
		return person{}, false
	}
	return personOf(reference, r.Raw)
}

// about is what the pages read of anything on a chart.
type about struct {
	Status  string `json:"status"`
	Subject struct {
		Reference string `json:"reference"`
	} `json:"subject"`
	Sent     string `json:"sent"`
	Received string `json:"received"`
	Date     string `json:"date"`
	Sender   struct {
		Reference string `json:"reference"`
		Display   string `json:"display"`
	} `json:"sender"`
	Payload []struct {
		ContentString     string          `json:"contentString"`
		ContentAttachment json.RawMessage `json:"contentAttachment"`
	} `json:"payload"`
	Author []struct {
		Display string `json:"display"`
	} `json:"author"`
	Content []struct {
		Attachment struct {
			ContentType string `json:"contentType"`
			Data        string `json:"data"`
		} `json:"attachment"`
	} `json:"content"`
	Topic struct {
		Text string `json:"text"`
	} `json:"topic"`
}

// entries lists what the patient's chart holds of messages, newest first.
func (s *Shell) entries(patient string) []entry {
	var out []entry
	for _, typ := range []string{"Communication", "DocumentReference"} {
		for _, r := range s.o.Chart.All(typ) {
			var a about
			if json.Unmarshal(r.Raw, &a) != nil || a.Subject.Reference != patient {
				continue
			}
			e := entry{Reference: r.Reference(), What: typ + ", " + a.Status, At: cmp.Or(a.Sent, a.Received, a.Date), From: cmp.Or(a.Sender.Display, a.Sender.Reference)}
			e.read(a)
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, func(a, b entry) int { return strings.Compare(b.At, a.At) })
	return out
}

// read takes the words of a Communication or a note.
func (e *entry) read(a about) {
	if len(a.Author) > 0 && e.From == "" {
		e.From = a.Author[0].Display
	}
	for _, p := range a.Payload {
		if e.Text == "" && p.ContentString != "" {
			e.Text = p.ContentString
		} else {
			e.Files++
		}
	}
	for _, c := range a.Content {
		data, err := base64.StdEncoding.DecodeString(c.Attachment.Data)
		if err == nil && strings.HasPrefix(c.Attachment.ContentType, "text/plain") && e.Text == "" {
			e.Text = string(data)
		} else {
			e.Files++
		}
	}
	if e.Text == "" && e.Files == 0 {
		e.Text = "Thread: " + cmp.Or(a.Topic.Text, "messages")
	}
}

// openEncounter is the patient's encounter that is in progress; "" where there is none.
func (s *Shell) openEncounter(patient string) string {
	for _, r := range s.o.Chart.All("Encounter") {
		var a about
		if json.Unmarshal(r.Raw, &a) == nil && a.Subject.Reference == patient && a.Status == "in-progress" {
			return r.Reference()
		}
	}
	return ""
}
