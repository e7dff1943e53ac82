package deliver_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/chartwire/chartwire/connector"
)

// Plan makes small Communications. A message is one entry, a proxy nobody knows another before it.
func (c *chart) Plan(x connector.Exchange) ([]connector.Write, error) {
	if c.expressed != nil {
		if err := c.expressed(x); err != nil {
			return nil, err
		}
	}
	p := plan{x: x}
	switch x.Kind {
	case connector.ItemHeader:
		return p.create("Communication", "thread", x.Thread.ID, connector.SymHeader, map[string]any{"status": "in-progress"}), nil
	case connector.ItemClose:
		return p.update("Communication", connector.SymHeader, "header", "completed"), nil
	case connector.ItemReopen:
		return p.update("Communication", connector.SymHeader, "header", "in-progress"), nil
	case connector.ItemRequest:
		if x.RequestStatus == "active" {
			return p.create("CommunicationRequest", "request", x.RequestID, connector.SymRequest(x.RequestID),
				map[string]any{"status": "active", "text": x.Message.Text}), nil
		}
		target := connector.SymRequest(x.RequestID)
		if strings.Contains(x.RequestID, "/") {
			target = x.RequestID
		}
		return p.update("CommunicationRequest", target, x.RequestID, x.RequestStatus, "statusReason", x.StatusReason), nil
	case connector.ItemTask:
		if !c.traits.Tasks {
			return nil, nil
		}
		return p.task(), nil
	case connector.ItemRetraction:
		var out []connector.Write
		for _, r := range x.Revisions {
			out = append(out, p.update("Communication", connector.SymMessage(p.value(r)), p.value(r), "entered-in-error")...)
		}
		return out, nil
	case connector.ItemStatus:
		if p.status(x.Delivery) == p.status(x.Charted) && x.Charted.State != "" {
			return nil, nil
		}
		return p.update("Communication", connector.SymMessage(p.value(1)), p.value(1), p.status(x.Delivery)), nil
	}
	return p.message(), nil
}

type plan struct{ x connector.Exchange }

func (p plan) value(revision int) string {
	v := p.x.Thread.ID + "/" + p.x.Message.ID
	if revision > 1 {
		v += "/r" + strconv.Itoa(revision)
	}
	return v
}

func (p plan) status(d connector.Delivery) string {
	switch {
	case p.x.Message.Direction != connector.ToPatient, d.State == connector.Delivered, d.State == connector.Read:
		return "completed"
	case d.State == connector.Failed:
		return "not-done"
	case d.State == connector.SendUnsure:
		return "unknown"
	case !p.x.Receipts:
		return "completed"
	}
	return "in-progress"
}

func (p plan) message() []connector.Write {
	body := map[string]any{"status": p.status(p.x.Delivery), "text": p.x.Message.Text, "sent": p.x.Message.SentAt, "late": p.x.Late,
		"afterGap": p.x.AfterGap}
	if p.x.Kind == connector.ItemCorrection {
		body["inResponseTo"] = map[string]string{"reference": connector.SymMessage(p.value(1))}
	}
	if !p.x.NoHeader {
		body["partOf"] = map[string]string{"reference": connector.SymHeader}
	}
	if p.x.BasedOn != "" {
		body["basedOn"] = map[string]string{"reference": p.x.BasedOn}
	}
	if p.x.Parent != "" {
		body["inResponseTo"] = map[string]string{"reference": connector.SymMessage(p.x.Thread.ID + "/" + p.x.Parent)}
	}
	var files []string
	for _, a := range p.x.Message.Attachments {
		files = append(files, string(a.Data))
	}
	body["files"] = files
	var out []connector.Write
	sender := p.x.Message.Sender
	if ref, ok := p.x.Refs[sender.Key()]; ok {
		body["sender"] = map[string]string{"reference": ref.Literal}
	} else if p.x.Missing[sender.Key()] {
		symbol := connector.SymParticipant(sender.Key())
		out = p.create("RelatedPerson", "participant", sender.Key(), symbol, map[string]any{})
		out[0].Key += "@" + connector.SymPatient
		body["sender"] = map[string]string{"reference": symbol}
	}
	value := p.value(max(p.x.Revision, 1))
	w := p.create("Communication", "message", value, connector.SymMessage(value), body)
	for _, f := range files {
		w[0].Expect.Attachments = append(w[0].Expect.Attachments, hash(f))
	}
	return append(out, w...)
}

func (p plan) task() []connector.Write {
	owner, _ := p.x.Task.Owner()
	if ref, ok := p.x.Refs[owner.Key()]; ok {
		owner.ID = ref.Literal
	}
	if p.x.TaskNew {
		return p.create("Task", "task", p.x.Task.ID, connector.SymTask(p.x.Task.ID),
			map[string]any{"status": string(p.x.Task.Status), "owner": owner.ID, "focus": p.x.TaskFocus, "priority": string(p.x.Thread.Priority)})
	}
	return p.update("Task", connector.SymTask(p.x.Task.ID), p.x.Task.ID, string(p.x.Task.Status), "owner", owner.ID)
}

func (p plan) create(typ, system, value, provides string, body map[string]any) []connector.Write {
	id := connector.Identifier{System: p.x.Base + "/" + p.x.Channel + "/" + system, Value: value}
	body["resourceType"] = typ
	body["identifier"] = map[string]string{"system": id.System, "value": id.Value}
	body["subject"] = map[string]string{"reference": connector.SymPatient}
	if p.x.Encounter != "" {
		body["encounter"] = map[string]string{"reference": p.x.Encounter}
	}
	text, _ := body["text"].(string)
	b, _ := json.Marshal(body)
	return []connector.Write{{Key: id.Token(), Method: "POST", URL: typ, Body: b, Type: typ, Identity: id, Provides: provides,
		Date: p.x.Message.SentAt, Expect: connector.Expect{Subject: connector.SymPatient, Text: hash(text), Status: fmt.Sprint(body["status"])}}}
}

func (p plan) update(typ, target, what, status string, more ...string) []connector.Write {
	set := map[string]any{"status": status}
	for n := 0; n+1 < len(more); n += 2 {
		set[more[n]] = more[n+1]
	}
	return []connector.Write{{Key: what + "#" + status, Method: "PUT", URL: target, Type: typ,
		Expect: connector.Expect{Subject: connector.SymPatient, Status: status}, Update: &connector.Update{Target: target, Set: set}}}
}
