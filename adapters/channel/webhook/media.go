package webhook

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/chartwire/chartwire/connector"
)

// Fetch gets one attachment from the channel's own origins and holds it against its declared size and SHA-256. Errors:
//   - *connector.Refused with TooLarge: more than MediaMaxBytes, by declaration or in fact.
//   - *connector.Refused with AttachmentLost: an address of another origin, a definite no of the platform (3xx, 4xx), or
//     bytes that are not what was declared. Asking again does not help; the platform has to send it again.
//   - *connector.Retry: no answer, a broken one, 408, 425, 429 or 5xx. A GET is safe to repeat.
func (c *Channel) Fetch(ctx context.Context, a connector.Attachment) ([]byte, error) {
	u, err := url.Parse(a.URL)
	if err != nil || c.http == nil || !c.allowed(u) {
		return nil, lost(0, "the address is not one of media.origins")
	}
	if a.Size > c.mediaMax {
		return nil, tooLarge(0, fmt.Sprintf("declared as %d bytes; the channel takes %d", a.Size, c.mediaMax))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, lost(0, "the address cannot be asked for")
	}
	// The hash is over the bytes as they are stored, so a compressed answer is not asked for.
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("Accept", "*/*")
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, &connector.Retry{Reason: connector.NeedsAttachment, Cause: withoutURL(err)}
	}
	defer resp.Body.Close()
	if err := c.mediaAnswer(resp); err != nil {
		return nil, err
	}
	return c.mediaBytes(resp, a)
}

// mediaAnswer refuses every answer but a plain 200.
func (c *Channel) mediaAnswer(resp *http.Response) error {
	status := resp.StatusCode
	switch {
	case status == http.StatusOK:
	case passing(status) || status >= 500:
		return &connector.Retry{
			Reason: connector.NeedsAttachment, Status: status, After: retryAfter(resp.Header, c.now()),
			Cause: fmt.Errorf("the platform answered %d", status),
		}
	default:
		return lost(status, fmt.Sprintf("the platform answered %d", status))
	}
	if enc := resp.Header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return lost(status, "the platform sent it compressed although it was asked not to")
	}
	if resp.ContentLength > c.mediaMax {
		return tooLarge(status, fmt.Sprintf("the platform sends %d bytes; the channel takes %d", resp.ContentLength, c.mediaMax))
	}
	return nil
}

// mediaBytes reads the file and compares it. A declared size of 0 is "not declared": the contract's default.
func (c *Channel) mediaBytes(resp *http.Response, a connector.Attachment) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(resp.Body, c.mediaMax+1))
	if err != nil {
		return nil, &connector.Retry{
			Reason: connector.NeedsAttachment, Status: resp.StatusCode,
			Cause: fmt.Errorf("the answer broke off: %w", withoutURL(err)),
		}
	}
	switch {
	case int64(len(data)) > c.mediaMax:
		return nil, tooLarge(resp.StatusCode, fmt.Sprintf("more than the %d bytes the channel takes", c.mediaMax))
	case a.Size > 0 && int64(len(data)) != a.Size:
		return nil, lost(resp.StatusCode, fmt.Sprintf("declared as %d bytes, came as %d", a.Size, len(data)))
	case a.SHA256 != "" && connector.Hash(data) != a.SHA256:
		return nil, lost(resp.StatusCode, "its SHA-256 is not the declared one")
	}
	return data, nil
}

func lost(status int, why string) *connector.Refused {
	return &connector.Refused{Reason: connector.AttachmentLost, Status: status, Detail: connector.Protect(why)}
}

func tooLarge(status int, why string) *connector.Refused {
	return &connector.Refused{Reason: connector.TooLarge, Status: status, Detail: connector.Protect(why)}
}
