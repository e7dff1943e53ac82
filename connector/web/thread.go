package web

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/audit"
)

// threadBody is a thread as the API shows it: every message with how far it got and where it is on the chart.
type threadBody struct {
	ID       string        `json:"id"`
	Channel  string        `json:"channel"`
	Platform string        `json:"platform_thread_id,omitempty"`
	Subject  string        `json:"subject,omitempty"`
	Patient  string        `json:"patient,omitempty"` // EHR reference
	Closed   bool          `json:"closed"`
	Messages []messageLine `json:"messages"`
}

type messageLine struct {
	ID        string              `json:"id"` // the platform's, or our client_message_id until it has one
	Direction connector.Direction `json:"direction"`
	Role      connector.Role      `json:"sender_role"`
	SentAt    time.Time           `json:"sent_at"`
	Text      string              `json:"text,omitempty"`
	Delivery  connector.SendState `json:"delivery,omitempty"`
	Chart     connector.ItemState `json:"chart"`
	Reason    connector.Reason    `json:"reason,omitempty"`
	Sentence  string              `json:"sentence,omitempty"`
	Entry     string              `json:"entry,omitempty"` // EHR reference
	Late      bool                `json:"late,omitempty"`
}

// getThread shows one thread. Reading is audited in a commit of its own before any byte leaves.
func (s *Server) getThread(c echo.Context) error {
	ctx, t := c.Request().Context(), caller(c)
	thread, err := s.thread(c, t, param(c, "id"))
	if err != nil {
		return err
	}
	now := s.o.Clock.Now()
	err = s.o.Store.Update(ctx, connector.Shard(thread.EHR, thread.Channel, thread.Ext), func(tx connector.Tx) error {
		return tx.Audit(connector.AuditEntry{ID: connector.NewID(now), EHR: t.EHR, At: now, Kind: string(audit.MessageRead), Action: string(audit.Read),
			Agent: "api:" + t.Name, Thread: thread.ID})
	})
	if err != nil {
		return unavailable()
	}
	out := threadBody{ID: thread.ID, Channel: thread.Channel, Platform: thread.Ext, Subject: thread.Info.Subject,
		Patient: thread.Bound.Reference, Closed: thread.Closed, Messages: []messageLine{}}
	err = s.o.Store.View(ctx, func(tx connector.Tx) error {
		out.Messages = out.Messages[:0]
		items, err := tx.ThreadItems(thread.EHR, thread.ID)
		if err != nil {
			return err
		}
		for _, i := range items {
			if i.Kind != connector.ItemExchange {
				continue
			}
			line, err := lineOf(tx, i)
			if err != nil {
				return err
			}
			out.Messages = append(out.Messages, line)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, out)
}

func lineOf(tx connector.Tx, i connector.Item) (messageLine, error) {
	m, err := tx.Message(i.EHR, i.Message)
	if err != nil {
		return messageLine{}, err
	}
	line := messageLine{ID: m.Message.ID, Direction: i.Direction, Role: m.Message.Sender.Role, SentAt: m.Message.SentAt,
		Text: m.Message.Text, Delivery: m.Delivery.State, Chart: i.State, Reason: i.Reason, Sentence: i.Reason.Sentence(), Late: i.Late}
	writes, err := tx.WritesOf(i.EHR, i.ID)
	for _, w := range writes {
		if w.State == connector.WriteFiled && w.Receipt.Reference != "" && w.Write.Type != "RelatedPerson" && w.Write.Type != "Provenance" {
			line.Entry = w.Receipt.Reference
		}
	}
	return line, err
}
