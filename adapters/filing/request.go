package filing

import (
	"strings"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
)

// request files the CommunicationRequest of a reply of ours, and later each change of its status. A request born in the
// EHR (RequestID is then its reference) is only ever changed.
func (p *planner) request() ([]connector.Write, error) {
	born := strings.Contains(p.x.RequestID, "/")
	if !p.traits.Requests && !born {
		return nil, nil
	}
	if p.x.RequestStatus == "" || p.x.RequestStatus == r4.RequestActive.Code() {
		if born {
			return nil, nil
		}
		return p.newRequest()
	}
	if !p.traits.RequestPut {
		return nil, nil // the EHR keeps it as it was filed; the Communication tells what became of it
	}
	return []connector.Write{p.requestStatus(born)}, nil
}

func (p *planner) newRequest() ([]connector.Write, error) {
	m := p.x.Message
	id := p.ids.Request(p.x.RequestID)
	body, err := p.content(id, m, m.SentAt, false)
	if err != nil {
		return nil, err
	}
	r := r4.NewCommunicationRequest(r4.RequestActive, identifier(id))
	if p.x.Thread.ID != "" {
		r.GroupIdentifier = r4.Ptr(identifier(p.ids.Header(p.x.Thread.ID)))
	}
	r.Category = p.categories(messageKind(m))
	r.Priority = priorityOf(connector.Priority(firstNonEmpty(string(m.Priority), string(p.x.Thread.Priority))))
	r.Medium = []r4.CodeableConcept{r4.MediumOnline()}
	r.Subject = r4.Ptr(r4.Ref(connector.SymPatient))
	if p.x.Encounter != "" {
		r.Encounter = r4.Ptr(r4.Ref(p.x.Encounter))
	}
	r.Payload = body.payload
	r.SetAuthoredOn(m.SentAt)
	sender, err := p.as(m.Sender, senderTypes)
	if err != nil {
		return nil, err
	}
	requester, err := p.as(m.Sender, requesterTypes)
	if err != nil {
		return nil, err
	}
	r.Sender, r.Requester = &sender.ref, &requester.ref
	if r.Recipient, err = p.all(m.Recipients); err != nil {
		return nil, err
	}
	return p.file(entry{
		id: id, kind: "CommunicationRequest", resource: r, provides: connector.SymRequest(p.x.RequestID), date: m.SentAt,
		expect: connector.Expect{Subject: connector.SymPatient, Text: body.text, Attachments: body.attachments, Status: "active"},
	})
}

// requestStatus changes a request's status, and says why where it was put on hold.
func (p *planner) requestStatus(born bool) connector.Write {
	status, target := p.x.RequestStatus, connector.SymRequest(p.x.RequestID)
	id := p.ids.Request(p.x.RequestID)
	what := "status=" + status
	set, remove := map[string]any{"status": status}, []string{"statusReason"}
	if why := clean(p.x.StatusReason); why != "" {
		set["statusReason"] = map[string]any{"text": why}
		remove = nil
		what += ":" + connector.Hash([]byte(why))[:8]
	}
	w := change("CommunicationRequest", target, id, what, status, set, remove...)
	if born {
		w.Key = p.x.RequestID + "#" + what
		w.URL, w.Update.Target = p.x.RequestID, p.x.RequestID
	}
	return w
}
