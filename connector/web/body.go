package web

import (
	"encoding/base64"
	"errors"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/decode"
)

// maxAPIBody bounds a call: ten attachments of a few megabytes.
const maxAPIBody = 40 << 20

// messageBody is the body of a reply. Field rules are those of the send contract, and of the event contract where the
// platform's echo has to fit it.
type messageBody struct {
	Text        string             `json:"text"`
	Recipients  []participantBody  `json:"recipients"`
	Attachments []attachmentBody   `json:"attachments"`
	InReplyTo   string             `json:"in_reply_to"`
	Language    string             `json:"language"`
	Priority    connector.Priority `json:"priority"`
	ActAs       string             `json:"act_as"`
	Encounter   string             `json:"encounter"`
}

// startBody is the body of a new thread: its first message, and what the thread is.
type startBody struct {
	messageBody
	Channel string `json:"channel"`
	Subject string `json:"subject"`
	Topic   string `json:"topic"`
}

type participantBody struct {
	Role         connector.Role        `json:"role"`
	ID           string                `json:"id"`
	Identifier   *connector.Identifier `json:"identifier"`
	Name         string                `json:"name"`
	Relationship string                `json:"relationship"`
}

type attachmentBody struct {
	ID          string     `json:"id"`
	Filename    string     `json:"filename"`
	ContentType string     `json:"content_type"`
	Data        base64Text `json:"data"`
}

// base64Text is []byte whose errors have a place: encoding/json tells none for its own.
type base64Text []byte

// UnmarshalText is encoding.TextUnmarshaler.
func (b *base64Text) UnmarshalText(text []byte) error {
	out, err := base64.StdEncoding.AppendDecode(nil, text)
	*b = out
	return err
}

// sentBody answers a call that was taken.
type sentBody struct {
	ThreadID        string `json:"thread_id"`         // ours
	ClientMessageID string `json:"client_message_id"` // ours; the platform uses it in every later event
	State           string `json:"state"`             // queued
}

// checked is a body that knows what is wrong with it: a *Problem, or nil.
type checked interface{ check() error }

// read decodes a call's JSON body into b and checks it.
func read(c echo.Context, b checked) error {
	kind, _, err := mime.ParseMediaType(c.Request().Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return problem(http.StatusUnsupportedMediaType, "content-type", "The body must be application/json.")
	}
	raw, err := readBody(c, maxAPIBody)
	if err != nil {
		return err
	}
	_, err = decode.Strict(raw, b, decode.Options{UnknownFields: decode.Refuse})
	var p *decode.Problem
	if errors.As(err, &p) {
		out := problem(http.StatusBadRequest, "body", sentence(p.Text))
		out.Pointer = p.Pointer
		return out
	}
	if err != nil {
		return err
	}
	return b.check()
}

// sentence writes a decoder's words as a sentence.
func sentence(words string) string {
	r, n := utf8.DecodeRuneInString(words)
	return strings.ToUpper(string(r)) + words[n:] + "."
}

var topics = []string{"", "clinical", "refill", "scheduling", "billing", "results", "reminder", "check-in", "other"}

func (b *startBody) check() error {
	switch {
	case b.Channel == "":
		return at("/channel", "Name a configured channel of this token's EHR.")
	case utf8.RuneCountInString(b.Subject) > 255:
		return at("/subject", "A subject has at most 255 characters.")
	case !slices.Contains(topics, b.Topic):
		return at("/topic", "The topic is"+strings.Join(topics[:len(topics)-1], ", ")[1:]+" or other.")
	}
	return b.messageBody.check()
}

func (b *messageBody) check() error {
	switch {
	case b.Text == "" && len(b.Attachments) == 0:
		return at("/text", "A message needs text or an attachment.")
	case utf8.RuneCountInString(b.Text) > 20000:
		return at("/text", "A message has at most 20,000 characters.")
	case len(b.Attachments) > 10:
		return at("/attachments", "A message has at most 10 attachments.")
	case b.Priority != "" && !slices.Contains([]connector.Priority{connector.Routine, connector.Urgent, connector.ASAP, connector.Stat}, b.Priority):
		return at("/priority", "The priority is routine, urgent, asap or stat.")
	}
	for n, a := range b.Attachments {
		if a.ID == "" || a.ContentType == "" || len(a.Data) == 0 {
			return at("/attachments/"+strconv.Itoa(n), "An attachment needs id, content_type and data.")
		}
	}
	for n, p := range b.Recipients {
		place := "/recipients/" + strconv.Itoa(n)
		switch {
		case p.Role != connector.RolePatient && p.Role != connector.RoleProxy:
			return at(place+"/role", "A recipient is the patient or a proxy.")
		case p.Role == connector.RoleProxy && p.ID == "":
			return at(place+"/id", "A proxy needs the platform's id.")
		case p.ID == "" && p.Identifier == nil:
			return at(place, "A recipient needs an id or an identifier.")
		}
	}
	return nil
}

// at is a problem with one place of a body that could be read.
func at(pointer, text string) *Problem {
	p := problem(http.StatusUnprocessableEntity, "body", text)
	p.Pointer = pointer
	return p
}

// message makes the message of a call, with everything but its sender: that is the token's business, not the body's.
func (b *messageBody) message() connector.Message {
	m := connector.Message{Direction: connector.ToPatient, Text: b.Text, InReplyTo: b.InReplyTo, Language: b.Language, Priority: b.Priority}
	for _, a := range b.Attachments {
		m.Attachments = append(m.Attachments, connector.Attachment{ID: a.ID, Filename: a.Filename, ContentType: a.ContentType, Data: a.Data})
	}
	for _, p := range b.Recipients {
		m.Recipients = append(m.Recipients, connector.Participant{Role: p.Role, ID: p.ID, Identifier: p.Identifier, Name: p.Name, Relationship: p.Relationship})
	}
	return m
}
