package channeltest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
)

const mediaMax = 1000

// photo is a file that looks compressible and holds bytes of every value.
func photo() []byte {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

type fetchCase struct {
	answer  http.HandlerFunc
	declare func(a *connector.Attachment)
	want    string
	reason  connector.Reason
}

func plain(status int, body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write(body)
	}
}

// fetches plays a media server. A channel that fetches nothing is not held to it.
func fetches(t *testing.T, s Subject) {
	elsewhere := serve(t, plain(200, photo()))
	cases := map[string]fetchCase{
		"as declared":        {answer: plain(200, photo()), want: handedOver},
		"nothing declared":   {answer: plain(200, photo()), declare: undeclared, want: handedOver},
		"size alone":         {answer: plain(200, photo()), declare: func(a *connector.Attachment) { a.SHA256 = "" }, want: handedOver},
		"an empty file":      {answer: plain(200, nil), declare: undeclared, want: handedOver},
		"another size":       {answer: plain(200, photo()[1:]), want: isRefused, reason: connector.AttachmentLost},
		"other bytes":        {answer: plain(200, bytes.Repeat([]byte("x"), 256)), want: isRefused, reason: connector.AttachmentLost},
		"just the limit":     {answer: plain(200, make([]byte, mediaMax)), declare: undeclared, want: handedOver},
		"over the limit":     {answer: plain(200, make([]byte, mediaMax+1)), declare: undeclared, want: isRefused, reason: connector.TooLarge},
		"declared too large": {answer: plain(200, photo()), declare: func(a *connector.Attachment) { a.Size = mediaMax + 1 }, want: isRefused, reason: connector.TooLarge},
		"endless": {answer: func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 4096)); err != nil {
					return
				}
			}
		}, declare: undeclared, want: isRefused, reason: connector.TooLarge},
		"compressed all the same": {answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write([]byte{0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0, 3})
		}, declare: undeclared, want: isRefused, reason: connector.AttachmentLost},
		"cut short": {answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "256")
			_, _ = w.Write(photo()[:100])
		}, want: isRetry},
		"redirected": {answer: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusFound)
		}, want: isRefused, reason: connector.AttachmentLost},
	}
	for _, status := range []int{401, 403, 404, 410} {
		cases[http.StatusText(status)] = fetchCase{answer: plain(status, nil), want: isRefused, reason: connector.AttachmentLost}
	}
	for _, status := range []int{408, 425, 429, 500, 502, 503} {
		cases[http.StatusText(status)] = fetchCase{answer: plain(status, nil), want: isRetry}
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) { fetch(t, s, tc) })
	}
	if n := elsewhere.requests.Load(); n != 0 {
		t.Errorf("%d requests followed a redirect", n)
	}
	t.Run("origins", func(t *testing.T) { origins(t, s, elsewhere) })
}

func undeclared(a *connector.Attachment) { a.Size, a.SHA256 = 0, "" }

func fetcher(t *testing.T, s Subject, origin string) connector.MediaFetcher {
	t.Helper()
	c := s.New(t, Env{Now: func() time.Time { return Now }, HTTP: client(t), MediaOrigin: origin, MediaMax: mediaMax})
	f, ok := c.(connector.MediaFetcher)
	if !ok {
		t.Skip("this channel fetches no attachments")
	}
	return f
}

func fetch(t *testing.T, s Subject, tc fetchCase) {
	var sent []byte
	p := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			t.Errorf("%s with Accept-Encoding %q", r.Method, r.Header.Get("Accept-Encoding"))
		}
		tc.answer(tee{w, &sent}, r)
	})
	a := connector.Attachment{ID: "a-1", URL: p.URL + "/files/1?sig=abc", ContentType: "image/png", Size: 256, SHA256: hash(photo())}
	if tc.declare != nil {
		tc.declare(&a)
	}
	data, err := fetcher(t, s, p.URL).Fetch(t.Context(), a)
	if got := class(err); got != tc.want {
		t.Fatalf("%s, want %s", got, tc.want)
	}
	var refused *connector.Refused
	if errors.As(err, &refused) && refused.Reason != tc.reason {
		t.Errorf("refused for %s, want %s", refused.Reason, tc.reason)
	}
	if err == nil && !bytes.Equal(data, sent) {
		t.Error("the bytes are not those of the platform")
	}
	if err != nil && (data != nil || strings.Contains(err.Error(), "sig=abc")) {
		t.Error("an error comes with bytes or tells the address")
	}
}

// tee remembers what was written.
type tee struct {
	http.ResponseWriter
	sent *[]byte
}

func (w tee) Write(b []byte) (int, error) {
	*w.sent = append(*w.sent, b...)
	return w.ResponseWriter.Write(b)
}

// origins asks for addresses nobody configured, near misses among them.
func origins(t *testing.T, s Subject, other *platform) {
	p := serve(t, plain(200, photo()))
	host := strings.TrimPrefix(p.URL, "http://")
	f := fetcher(t, s, p.URL)
	for _, url := range []string{
		other.URL + "/x", "https://" + host + "/x", "http://user@" + host + "/x", "http://" + host + ".evil.example/x",
		"http://evil.example#@" + host, "//" + host + "/x", "file:///etc/passwd", "ftp://" + host + "/x", "http:" + host, "", "http://%zz",
		"http://169.254.169.254/latest/meta-data", "HTTP://" + host + "@evil.example/", "http://" + host + "\\@evil.example/",
	} {
		_, err := f.Fetch(context.Background(), connector.Attachment{ID: "a", URL: url})
		var refused *connector.Refused
		if !errors.As(err, &refused) || refused.Reason != connector.AttachmentLost {
			t.Errorf("%q: %v, want refused", url, err)
		}
	}
	if n := p.requests.Load() + other.requests.Load(); n != 0 {
		t.Errorf("%d requests to addresses nobody configured", n)
	}
	for _, url := range []string{p.URL + "/x", "HTTP://" + host + "/x"} {
		if _, err := f.Fetch(t.Context(), connector.Attachment{ID: "a", URL: url}); err != nil {
			t.Errorf("%q: %v", url, err)
		}
	}
	p.Close()
	_, err := f.Fetch(t.Context(), connector.Attachment{ID: "a", URL: p.URL + "/Cho/x?sig=abc"})
	if class(err) != isRetry || strings.Contains(err.Error(), "Cho") || strings.Contains(err.Error(), "sig=abc") {
		t.Errorf("nobody listens: %v, want retry without the address's words", err)
	}
}
