package filing

import (
	"time"

	"github.com/chartwire/chartwire/adapters/filing/transcript"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
)

const contentTypePDF = "application/pdf"

// sheet is what a DocumentReference is around: one document, in one or several forms.
type sheet struct {
	contents []r4.Attachment
	files    []string // hex SHA-256 of the forms that are not text, as the chart must show them
}

// sheet makes the document about one message, named by id, that the strategy files. A note is its text alone. A document is a transcript:
// the text form, which holds the exact words as one run, and the same as PDF, the anchors US Core 9 names; what the EHR keeps
// beside each other are two forms of one document, never two documents.
func (p *planner) sheet(id connector.Identifier, what string, m connector.Message, at time.Time) (sheet, error) {
	title := "Secure message of " + p.local(at)
	if !p.printed {
		return sheet{contents: []r4.Attachment{r4.NewAttachment(r4.ContentTypePlain, p.noteText(id, what, m, at), title, at)}}, nil
	}
	return p.bothForms(p.transcriptOf(id, what, m, at), title, at)
}

// bothForms is a transcript as text and as PDF.
func (p *planner) bothForms(t transcript.Transcript, title string, at time.Time) (sheet, error) {
	pdf, err := transcript.PDF(t)
	if err != nil {
		return sheet{}, refuse(connector.Internals, err.Error())
	}
	return sheet{contents: []r4.Attachment{
		r4.NewAttachment(r4.ContentTypePlain, transcript.Text(t), title, at),
		r4.NewAttachment(contentTypePDF, pdf, title, at),
	}, files: []string{connector.Hash(pdf)}}, nil
}

// transcriptOf is a transcript of one message, told at a time: the message itself, or what is said of it.
func (p *planner) transcriptOf(id connector.Identifier, what string, m connector.Message, at time.Time) transcript.Transcript {
	m.SentAt = at
	return transcript.Transcript{
		Thread: p.x.Thread, Channel: p.x.Channel, Patient: p.named(), Zone: p.policy.Location, What: what, Single: true, Cite: p.cite(id),
		Entries: []transcript.Entry{{Message: m, Received: p.x.Received, Delivery: p.x.Delivery, Late: p.x.Late, AfterGap: p.x.AfterGap}},
	}
}

// named is the patient as the channel names them, nil where it gave neither name nor birth date: a page on paper has nothing
// else to say whose it is. Which of its identifiers is a medical record number the channel does not say.
func (p *planner) named() *transcript.Patient {
	who := transcript.Patient{BirthDate: p.x.Who.BirthDate}
	if n := p.x.Who.Name; n != nil {
		for _, part := range append(n.Given[:len(n.Given):len(n.Given)], n.Family) {
			if part = clean(part); part != "" && who.Name != "" {
				part = " " + part
			}
			who.Name += part
		}
	}
	if who == (transcript.Patient{}) {
		return nil
	}
	return &who
}
