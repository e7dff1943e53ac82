package channeltest

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// Message is what the suite sends.
func Message() connector.Outgoing {
	return connector.Outgoing{
		ClientID: "01JD9Z0B5T8V3W4X5Y6Z7A8B9C", ThreadID: "t-42", Subject: "Home readings",
		Priority: connector.Routine, SentAt: Now,
		Sender:     connector.Participant{Role: connector.RoleClinician, ID: "prac-ana", Name: "Ana Rivera"},
		Recipients: []connector.Participant{{Role: connector.RoleProxy, ID: "u-901", Name: "Maria Cho", Relationship: "mother"}},
		Text:       "Dose < 5 mg & \"stop\" \U0001F642\r\n| ^~\\ \u202e", Language: "en",
		Attachments: []connector.Attachment{{ID: "a1", Filename: "plan.txt", ContentType: "text/plain", Data: []byte("abc")}},
	}
}

// classes of outcome a send may have.
const (
	handedOver = "handed over"
	isRefused  = "refused"
	isRetry    = "retry"
	ambiguous  = "ambiguous"
)

func class(err error) string {
	var refused *connector.Refused
	var retry *connector.Retry
	var unsure *connector.Ambiguous
	switch {
	case err == nil:
		return handedOver
	case errors.As(err, &refused):
		return isRefused
	case errors.As(err, &retry):
		return isRetry
	case errors.As(err, &unsure):
		return ambiguous
	default:
		return "unclassified: " + err.Error()
	}
}

// platform is a server that counts requests and answers by a script.
type platform struct {
	*httptest.Server
	requests atomic.Int64
}

func serve(t *testing.T, h http.HandlerFunc) *platform {
	p := &platform{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.requests.Add(1)
		h(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

// client is an HTTP client of its own, so that no test meets another's connections.
func client(t *testing.T) *http.Client {
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func sender(t *testing.T, s Subject, url string) connector.Channel {
	return s.New(t, Env{Now: func() time.Time { return Now }, HTTP: client(t), SendURL: url})
}

func sends(t *testing.T, s Subject) {
	t.Run("taken", func(t *testing.T) { taken(t, s) })
	t.Run("answers", func(t *testing.T) { answers(t, s) })
	t.Run("broken", func(t *testing.T) { broken(t, s) })
	t.Run("unreachable", func(t *testing.T) { unreachable(t, s) })
	t.Run("retry-after", func(t *testing.T) { retryAfter(t, s) })
}

// taken hands one message over and looks at what the platform got.
func taken(t *testing.T, s Subject) {
	want := connector.Handover{MessageID: "m-9", ThreadID: "t-42", Sequence: 4, At: Now.Add(time.Second)}
	for _, status := range []int{200, 201, 202} {
		var got []byte
		var header *http.Request
		p := serve(t, func(w http.ResponseWriter, r *http.Request) {
			got, _ = io.ReadAll(r.Body)
			header = r
			contentType, body := s.Taken(want)
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			_, _ = w.Write(body)
		})
		h, err := sender(t, s, p.URL).Send(t.Context(), Message())
		if err != nil || h.MessageID != want.MessageID || h.ThreadID != want.ThreadID || h.Sequence != want.Sequence || !h.At.Equal(want.At) {
			t.Fatalf("%d: %+v, %v", status, h, err)
		}
		s.Sent(t, Message(), header, got)
		if n := p.requests.Load(); n != 1 {
			t.Errorf("%d requests for one send", n)
		}
	}
}

// answers holds every status the suite knows to its class (contracts/channel-send.schema.json).
func answers(t *testing.T, s Subject) {
	for _, tc := range []struct {
		status int
		body   string
		want   string
	}{
		{200, "", ambiguous}, {200, "OK", ambiguous}, {200, "<html>sign in</html>", ambiguous}, {200, "{}", ambiguous},
		{200, "null", ambiguous}, {202, "{}", ambiguous}, {204, "", ambiguous},
		{301, "", ambiguous}, {302, "", ambiguous}, {303, "", ambiguous}, {307, "", ambiguous}, {308, "", ambiguous},
		{400, "no", isRefused}, {401, "", isRefused}, {403, "", isRefused}, {404, "", isRefused}, {409, "", isRefused},
		{410, "", isRefused}, {413, "", isRefused}, {415, "", isRefused}, {422, "{}", isRefused},
		{408, "", isRetry}, {425, "", isRetry}, {429, "", isRetry},
		{500, "", ambiguous}, {501, "", ambiguous}, {502, "", ambiguous}, {503, "", ambiguous}, {504, "", ambiguous}, {599, "", ambiguous},
	} {
		elsewhere := serve(t, func(http.ResponseWriter, *http.Request) {})
		p := serve(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Location", elsewhere.URL)
			w.WriteHeader(tc.status)
			if tc.status != 204 {
				_, _ = io.WriteString(w, tc.body)
			}
		})
		_, err := sender(t, s, p.URL).Send(t.Context(), Message())
		if got := class(err); got != tc.want {
			t.Errorf("%d %q: %s, want %s", tc.status, tc.body, got, tc.want)
		}
		if p.requests.Load() != 1 || elsewhere.requests.Load() != 0 {
			t.Errorf("%d: %d requests, %d elsewhere; want 1 and 0", tc.status, p.requests.Load(), elsewhere.requests.Load())
		}
		var refused *connector.Refused
		if errors.As(err, &refused) && (refused.Status != tc.status || refused.Reason != connector.SendRefused || refused.Detail.Reveal() != tc.body) {
			t.Errorf("%d: refused with status %d, reason %s; want the platform's words in Detail", tc.status, refused.Status, refused.Reason)
		}
	}
}

// broken lets connections die after the request was read: the platform may have the message.
func broken(t *testing.T, s Subject) {
	whole := func(conn net.Conn) {
		_, body := s.Taken(connector.Handover{MessageID: "m-9", ThreadID: "t-42"})
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "+
			strconv.Itoa(len(body)+10)+"\r\n\r\n")
		_, _ = conn.Write(body)
	}
	for name, before := range map[string]func(net.Conn){
		"no answer":        func(net.Conn) {},
		"half a status":    func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 20") },
		"garbage":          func(c net.Conn) { _, _ = io.WriteString(c, "\x00\x01\x02\r\n\r\n") },
		"a body cut short": whole,
	} {
		p := serve(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			before(conn)
			_ = conn.Close()
		})
		_, err := sender(t, s, p.URL).Send(t.Context(), Message())
		if got := class(err); got != ambiguous || p.requests.Load() != 1 {
			t.Errorf("%s: %s after %d requests, want ambiguous after 1", name, got, p.requests.Load())
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	p := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		cancel() // the caller's deadline passes while the platform works
		<-r.Context().Done()
	})
	if _, err := sender(t, s, p.URL).Send(ctx, Message()); class(err) != ambiguous {
		t.Errorf("a deadline after the request: %s, want ambiguous", class(err))
	}
}

// unreachable lets nothing through: the platform cannot have the message.
func unreachable(t *testing.T, s Subject) {
	gone := httptest.NewServer(nil)
	gone.Close()
	notTLS := serve(t, func(http.ResponseWriter, *http.Request) {})
	for name, url := range map[string]string{
		"nobody listens": gone.URL, "no such host": "http://platform.invalid/send", "no TLS there": "https" + notTLS.URL[len("http"):],
	} {
		_, err := sender(t, s, url+"/in?key=hush").Send(t.Context(), Message())
		if got := class(err); got != isRetry || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %s, %v; want retry without the address's secrets", name, got, err)
		}
	}
	if n := notTLS.requests.Load(); n != 0 {
		t.Errorf("%d requests without TLS", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := serve(t, func(http.ResponseWriter, *http.Request) {})
	if _, err := sender(t, s, p.URL).Send(ctx, Message()); class(err) != isRetry || p.requests.Load() != 0 {
		t.Errorf("a deadline that has passed: %s, want retry", class(err))
	}
}

// retryAfter gives the header in each form.
func retryAfter(t *testing.T, s Subject) {
	for value, want := range map[string]time.Duration{
		"":    0,
		"7":   7 * time.Second,
		"0":   0,
		"x":   0,
		"-5":  0,
		"1.5": 0,
		Now.Add(90 * time.Second).Format(http.TimeFormat): 90 * time.Second,
		Now.Add(-time.Hour).Format(http.TimeFormat):       0,
		"999999":               time.Hour,
		"99999999999999999999": time.Hour,
		Now.AddDate(10, 0, 0).Format(http.TimeFormat): time.Hour,
	} {
		p := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			if value != "" {
				w.Header().Set("Retry-After", value)
			}
			w.WriteHeader(http.StatusTooManyRequests)
		})
		_, err := sender(t, s, p.URL).Send(t.Context(), Message())
		var retry *connector.Retry
		if !errors.As(err, &retry) || retry.After != want || retry.Status != http.StatusTooManyRequests {
			t.Errorf("Retry-After %q: %v, want %v (an hour at most)", value, err, want)
		}
	}
}
