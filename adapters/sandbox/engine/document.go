package engine

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/chartwire/chartwire/adapters/hl7"
)

// Document is one document of a chart.
type Document struct {
	Number     string // TXA-12
	Parent     string // TXA-13
	Event      string // T02 original, T06 addendum, T10 replacement
	Patient    string // Patient.Ref
	Created    time.Time
	Seq        int // its ledger entry's
	Completion string
	Text       string // the TX lines, joined by line feeds
	Files      []File
	Addenda    []string // documents that add to it
	ReplacedBy string   // the document that replaced it, "" while it is the current one
	Cancelled  bool     // nobody is to see it any more

	number, parent hl7.EI
}

// File is an attachment within a document.
type File struct {
	Type, Subtype string // ED-2 and ED-3
	Data          []byte
}

// Documents are all documents in the order of their coming.
func (e *Engine) Documents() []Document {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([]Document, 0, len(e.order))
	for _, d := range e.order {
		c := *d
		c.Addenda = slices.Clone(d.Addenda)
		out = append(out, c)
	}
	return out
}

// document reads what a message wants in the chart, and refuses what can be refused without looking into it.
func (e *Engine) document(m received) (*Document, *hl7.Problem) {
	for _, check := range []func(hl7.Message) *hl7.Problem{checkOrder, e.checkFields} {
		if p := check(m.message); p != nil {
			return nil, p
		}
	}
	mdm, err := hl7.ReadMDM(m.message)
	if err != nil {
		var p *hl7.Problem
		errors.As(err, &p)
		return nil, p
	}
	if p := e.checkDocument(mdm); p != nil {
		return nil, p
	}
	patient, p := e.index.find(mdm.Patient)
	if p != nil {
		return nil, p
	}
	d := &Document{
		Number: mdm.TXA.Document.ID, Parent: mdm.TXA.Parent.ID, Event: mdm.Event, Patient: patient.Ref, Completion: mdm.TXA.Completion,
		Text: hl7.TextOf(mdm.Content), number: mdm.TXA.Document, parent: mdm.TXA.Parent,
	}
	for i, o := range mdm.Content {
		if p := d.take(i+1, o); p != nil {
			return nil, p
		}
	}
	return d, nil
}

// take looks at one OBX and keeps its file.
func (d *Document) take(n int, o hl7.OBX) *hl7.Problem {
	at := hl7.ERL{Segment: "OBX", Sequence: n, Field: 5, Repetition: 1}
	switch {
	case o.Type == "" && o.Value.Valued():
		at.Field, at.Repetition = 2, 0
		return &hl7.Problem{At: at, Code: hl7.RequiredField, Text: "the field is required where OBX-5 is given"}
	case o.Type != hl7.Encapsulated:
		return nil
	case len(o.Value) != 1:
		return &hl7.Problem{At: at, Code: hl7.RequiredField, Text: "a file stands in one repetition"}
	}
	ed := hl7.ReadED(o.Value[0])
	for component, value := range map[int]string{2: ed.Type, 4: ed.Encoding, 5: ed.Data} {
		if at.Component = component; value == "" {
			return &hl7.Problem{At: at, Code: hl7.RequiredField, Text: "the component is required"}
		}
	}
	var data []byte
	var err error
	switch ed.Encoding {
	case "Base64":
		if data, err = base64.StdEncoding.Strict().DecodeString(ed.Data); strings.ContainsAny(ed.Data, "\r\n") {
			err = base64.CorruptInputError(0) // which the decoder passes over
		}
	case "Hex":
		data, err = hex.DecodeString(ed.Data)
	case "A":
		data = []byte(ed.Data)
	default:
		at.Component = 4
		return &hl7.Problem{At: at, Code: hl7.TableValue, Text: "the value is none of table 0299"}
	}
	if err != nil {
		at.Component = 5
		return &hl7.Problem{At: at, Code: hl7.DataType, Text: "the data is not encoded as the component before it says"}
	}
	d.Files = append(d.Files, File{Type: ed.Type, Subtype: ed.Subtype, Data: data})
	return nil
}

// place says whether a document has its place among the others. The caller holds the lock.
func (e *Engine) place(d *Document) *hl7.Problem {
	if d.Event == "T11" {
		of := e.newest(d.number)
		switch {
		case of == nil:
			return wrong("TXA", 12, hl7.UnknownKey, "there is no such document")
		case of.Patient != d.Patient:
			return wrong("TXA", 12, hl7.UnknownKey, "that document is another patient's")
		}
		return nil
	}
	if len(e.documents[d.number]) > 0 && e.o.Repeats != Unnoticed {
		return wrong("TXA", 12, hl7.DuplicateKey, "this document number is taken")
	}
	if d.Event == "T02" {
		return nil
	}
	parent := e.newest(d.parent)
	switch {
	case parent == nil:
		return wrong("TXA", 13, hl7.UnknownKey, "there is no such document")
	case parent.Patient != d.Patient:
		return wrong("TXA", 13, hl7.UnknownKey, "that document is another patient's")
	case d.Event == "T10" && parent.ReplacedBy != "" && e.o.Repeats != Unnoticed:
		return wrong("TXA", 13, hl7.UnknownKey, "that document has been replaced already")
	}
	return nil
}

func (e *Engine) newest(number hl7.EI) *Document {
	all := e.documents[number]
	if len(all) == 0 {
		return nil
	}
	return all[len(all)-1]
}

// commit puts a document into the chart and the message into the ledger. The caller holds the lock.
func (e *Engine) commit(m received, d *Document) {
	d.Created, d.Seq = e.o.Now(), len(e.ledger)+1
	defer e.record(m, d)
	if d.Event == "T11" {
		e.newest(d.number).Cancelled = true
		return
	}
	switch parent := e.newest(d.parent); d.Event {
	case "T06":
		parent.Addenda = append(parent.Addenda, d.Number)
	case "T10":
		parent.ReplacedBy = d.Number
	}
	e.documents[d.number] = append(e.documents[d.number], d)
	e.order = append(e.order, d)
}

// record writes a message that was carried out into the ledger. The caller holds the lock.
func (e *Engine) record(m received, d *Document) {
	e.taken[m.header.ControlID] = m.sum
	e.ledger = append(e.ledger, Entry{
		Seq: d.Seq, Time: d.Created, ControlID: m.header.ControlID, Event: d.Event, Document: d.Number, Parent: d.Parent,
		Patient: d.Patient, SHA256: m.sum, Fault: m.fault,
	})
}
