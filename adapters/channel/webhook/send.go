package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/decode"
)

// maxAnswer bounds what is read of an answer, in bytes; "taken" is a few hundred.
const maxAnswer = 64 << 10

// wireOutgoing is the send contract's body. The parts in common with the event contract are written as they are read.
type wireOutgoing struct {
	ClientID    string                  `json:"client_message_id"`
	ThreadID    string                  `json:"thread_id,omitempty"`
	Subject     string                  `json:"subject,omitempty"`
	Topic       string                  `json:"topic,omitempty"`
	Priority    connector.Priority      `json:"priority,omitempty"`
	Patient     *outPatient             `json:"patient,omitempty"`
	Sender      connector.Participant   `json:"sender"`
	Recipients  []connector.Participant `json:"recipients"`
	SentAt      time.Time               `json:"sent_at"`
	Text        string                  `json:"text,omitempty"`
	Language    string                  `json:"language,omitempty"`
	InReplyTo   string                  `json:"in_reply_to,omitempty"`
	Attachments []outAttachment         `json:"attachments,omitempty"`
}

// outPatient is a patient without what only the EHR may know of them: its own reference.
type outPatient struct {
	Identifiers []connector.Identifier `json:"identifiers"`
	Name        *connector.HumanName   `json:"name,omitempty"`
	BirthDate   string                 `json:"birth_date,omitempty"`
	Phone       string                 `json:"phone,omitempty"`
}

type outAttachment struct {
	ID          string `json:"id"`
	Filename    string `json:"filename,omitempty"`
	ContentType string `json:"content_type"`
	SHA256      string `json:"sha256,omitempty"`
	Data        []byte `json:"data"`
}

// Send posts one message once, signed by the first secret, with its client id as webhook-id. The Handover is the
// platform's own word. Errors:
//   - *connector.Refused (SendRefused): a 4xx, or a message the send contract cannot carry; the platform's words are in
//     Detail. It is not sent again.
//   - *connector.Retry: no connection was made, or 408, 425, 429. It may be sent again.
//   - *connector.Ambiguous: anything else, 2xx without the answer of the contract and 3xx among them. Only where the
//     platform is idempotent may it be sent again.
func (c *Channel) Send(ctx context.Context, m connector.Outgoing) (connector.Handover, error) {
	if c.sendURL == "" || c.http == nil {
		return connector.Handover{}, notSendable("this channel has no send_url")
	}
	if why := unsendable(m); why != "" {
		return connector.Handover{}, notSendable(why)
	}
	body, err := outgoingBody(m)
	if err != nil {
		return connector.Handover{}, notSendable("the message cannot be written as JSON")
	}
	var connected atomic.Bool
	req, err := c.sendRequest(watchConnection(ctx, &connected), m.ClientID, body)
	if err != nil {
		return connector.Handover{}, notSendable("the request could not be made")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if !connected.Load() {
			return connector.Handover{}, &connector.Retry{Reason: connector.NeedsHandover, Cause: withoutURL(err)}
		}
		return connector.Handover{}, &connector.Ambiguous{Cause: withoutURL(err)}
	}
	defer resp.Body.Close()
	return c.classify(resp)
}

// unsendable says what the send contract misses in a message; "" when nothing.
func unsendable(m connector.Outgoing) string {
	switch {
	case !printable(m.ClientID):
		return "the message has no client id"
	case len(m.Recipients) == 0:
		return "the message has no recipient"
	case m.Text == "" && len(m.Attachments) == 0:
		return "the message has neither text nor attachments"
	case m.ThreadID == "" && (m.Patient == nil || len(m.Patient.Identifiers) == 0):
		return "a message without a thread needs an identifier of the patient"
	}
	for _, a := range m.Attachments {
		if a.Data == nil {
			return "an attachment has no data"
		}
	}
	return ""
}

func notSendable(why string) *connector.Refused {
	return &connector.Refused{Reason: connector.SendRefused, Detail: connector.Protect(why)}
}

// outgoingBody writes the body with the text's characters as they are, not as HTML escapes.
func outgoingBody(m connector.Outgoing) ([]byte, error) {
	w := wireOutgoing{
		ClientID: m.ClientID, ThreadID: m.ThreadID, Subject: m.Subject, Topic: m.Topic, Priority: m.Priority,
		Sender: m.Sender, Recipients: m.Recipients, SentAt: m.SentAt, Text: m.Text, Language: m.Language,
		InReplyTo: m.InReplyTo,
	}
	if p := m.Patient; p != nil && len(p.Identifiers) > 0 {
		w.Patient = &outPatient{Identifiers: p.Identifiers, Name: p.Name, BirthDate: p.BirthDate, Phone: p.Phone}
	}
	for _, a := range m.Attachments {
		w.Attachments = append(w.Attachments, outAttachment{a.ID, a.Filename, a.ContentType, a.SHA256, a.Data})
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(w); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func (c *Channel) sendRequest(ctx context.Context, id string, body []byte) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.sendURL, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.GetBody = nil // the transport must not post a second time by itself
	signed, err := c.sign(id, c.now(), body)
	if err != nil {
		return nil, err
	}
	req.Header = signed
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	return req, nil
}

// watchConnection notes whether the request had a connection to write to. Before it has one nothing can have left; from
// then on the outcome is unknown. The transport asks for another connection only where it wrote nothing to the first.
func watchConnection(ctx context.Context, connected *atomic.Bool) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { connected.Store(false) },
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
}

// classify reads an answer by the send contract.
func (c *Channel) classify(resp *http.Response) (connector.Handover, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch status := resp.StatusCode; {
	case status >= 200 && status < 300:
		if err != nil {
			return connector.Handover{}, &connector.Ambiguous{Status: status, Cause: withoutURL(err)}
		}
		handover, err := taken(body)
		if err != nil {
			return connector.Handover{}, &connector.Ambiguous{Status: status, Cause: err, Detail: words(body)}
		}
		return handover, nil
	case passing(status):
		return connector.Handover{}, &connector.Retry{
			Reason: connector.NeedsHandover, Status: status, After: retryAfter(resp.Header, c.now()),
			Cause: fmt.Errorf("the platform answered %d", status),
		}
	case status >= 400 && status < 500:
		return connector.Handover{}, &connector.Refused{Reason: connector.SendRefused, Status: status, Detail: words(body)}
	default:
		return connector.Handover{}, &connector.Ambiguous{
			Status: status, Cause: fmt.Errorf("the platform answered %d", status), Detail: words(body),
		}
	}
}

// passing says whether a 4xx is about the moment and not the request: Request Timeout, Too Early, Too Many Requests.
func passing(status int) bool {
	return status == http.StatusRequestTimeout || status == http.StatusTooEarly || status == http.StatusTooManyRequests
}

// taken reads the answer of a platform that took the message. Its error holds no value of the answer.
func taken(body []byte) (connector.Handover, error) {
	if len(body) > maxAnswer {
		return connector.Handover{}, errors.New("the answer is too long")
	}
	var w wireTaken
	if _, err := decode.Strict(body, &w, decode.Options{}); err != nil {
		return connector.Handover{}, fmt.Errorf("the answer is not that of the send contract: %w", err)
	}
	k := &checker{}
	k.must("message_id", w.MessageID != nil)
	k.must("thread_id", w.ThreadID != nil)
	h := connector.Handover{
		MessageID: k.id("message_id", w.MessageID),
		ThreadID:  k.id("thread_id", w.ThreadID),
		Sequence:  k.atLeast("sequence", w.Sequence, 1),
		At:        k.instant("at", w.At),
	}
	if k.err != nil {
		return connector.Handover{}, fmt.Errorf("the answer is not that of the send contract: %w", k.err)
	}
	return h, nil
}

// words keeps the beginning of an answer for trace. It may repeat the message.
func words(body []byte) connector.PHI[string] {
	const most = 2000
	return connector.Protect(string(bytes.ToValidUTF8(body[:min(len(body), most)], []byte("\ufffd"))))
}

// withoutURL takes the address off an HTTP client's error: attachment addresses are the platform's words and may say
// whose file it is.
func withoutURL(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}
