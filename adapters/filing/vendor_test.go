package filing_test

import (
	"bytes"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/connector"
)

// calling is a vendor's API of this test: everything there is of a document in a form.
func calling(d filing.Document) (filing.Call, error) {
	f := url.Values{"text": {string(d.Text)}, "title": {d.Title}, "at": {d.At.Format(time.RFC3339)}, "author": {string(d.Author)}, "priority": {"2"}}
	if d.Priority.Rank() > 0 {
		f.Set("priority", "1")
	}
	return filing.Call{Type: "Paper", URL: "charts/" + connector.SymPatient + "/papers", ContentType: connector.Form, Body: []byte(f.Encode())}, nil
}

var vendorTraits = connector.Traits{Strategy: connector.AsVendorCall, Echo: connector.EchoExact}

// called plans one write of a vendor call and reads its form.
func called(t *testing.T, x connector.Exchange) (connector.Write, url.Values) {
	t.Helper()
	p := policy(t)
	p.Vendor = calling
	writes := plan(t, p, vendorTraits, x)
	if len(writes) != 1 {
		t.Fatalf("%d writes", len(writes))
	}
	f, err := url.ParseQuery(string(writes[0].Body))
	if err != nil {
		t.Fatal(err)
	}
	return writes[0], f
}

func TestVendorCall(t *testing.T) {
	x := exchange(connector.ItemExchange, connector.AsVendorCall, from(mother), photo, func(x *connector.Exchange) { x.Message.Text = "{patient} & 50% 🙂\r\n" })
	w, f := called(t, x)
	if w.Method != "POST" || w.URL != "charts/{patient}/papers" || w.Type != "Paper" || w.Symbolic() || w.Provides != connector.SymMessage("t-1/m-1") ||
		w.Expect.Subject != connector.SymPatient || w.Expect.Text != filing.Hash([]byte(x.Message.Text)) || w.Expect.Attachments != nil {
		t.Errorf("%+v", w)
	}
	words, ok := filing.Words([]byte(f.Get("text")))
	if !ok || string(words) != x.Message.Text {
		t.Errorf("the words are %q", words)
	}
	if f.Get("title") != "Home readings" || f.Get("author") != "proxy" || !strings.HasSuffix(f.Get("at"), "-06:00") && !strings.HasSuffix(f.Get("at"), "-05:00") {
		t.Errorf("%v", f)
	}
	if any, it := filing.Cites([]byte(f.Get("text")), w.Identity); !any || !it {
		t.Error("the document does not cite its message")
	}
	other := w.Identity
	other.Value += "x"
	if any, it := filing.Cites([]byte(f.Get("text")), other); !any || it {
		t.Error("the document cites another message too")
	}
	if any, it := filing.Cites([]byte("no line of the kind"), w.Identity); any || it {
		t.Error("a text without an id line cites a message")
	}
}

// TestVendorCallLater: nothing that is there changes, so what comes later names the first.
func TestVendorCallLater(t *testing.T) {
	_, f := called(t, exchange(connector.ItemCorrection, connector.AsVendorCall, correction(2, 1)))
	if !strings.HasPrefix(f.Get("text"), "Addendum to a secure message: these are the corrected words of message texting t-1/m-1\n") ||
		!strings.Contains(f.Get("text"), "\nMessage id: texting t-1/m-1/r2\n") {
		t.Errorf("the correction says\n%s", f.Get("text"))
	}
	w, f := called(t, exchange(connector.ItemStatus, connector.AsVendorCall, toPatient(connector.Failed), charted(connector.Sent)))
	if !strings.HasPrefix(f.Get("text"), "Secure message NOT DELIVERED\n") || !strings.Contains(f.Get("text"), "(t-1/m-1) did not reach the recipient") ||
		!strings.HasSuffix(w.Identity.Value, "t-1/m-1/not-delivered") || f.Get("author") != "system" {
		t.Errorf("%s: the failure says\n%s", w.Identity.Value, f.Get("text"))
	}
	p := policy(t)
	p.Vendor = calling
	for name, x := range map[string]connector.Exchange{
		"delivered":     exchange(connector.ItemStatus, connector.AsVendorCall, toPatient(connector.Delivered), charted(connector.Sent)),
		"said already":  exchange(connector.ItemStatus, connector.AsVendorCall, toPatient(connector.Failed), charted(connector.Failed)),
		"header":        exchange(connector.ItemHeader, connector.AsVendorCall),
		"internal note": exchange(connector.ItemExchange, connector.AsVendorCall, internal),
	} {
		if writes := plan(t, p, vendorTraits, x); len(writes) != 0 {
			t.Errorf("%s: %d writes", name, len(writes))
		}
	}
	_, err := filing.Plan(p, vendorTraits, exchange(connector.ItemRetraction, connector.AsVendorCall, retraction(1)))
	var refused *connector.Refused
	if !errors.As(err, &refused) || refused.Reason != connector.NotExpressible || !strings.Contains(refused.Detail.Reveal(), "by hand") {
		t.Errorf("a retraction: %v", err)
	}
}

// TestVendorCallPrints: the same message as PDF, for a chart that wants a file.
func TestVendorCallPrints(t *testing.T) {
	p := policy(t)
	var printed []byte
	p.Vendor = func(d filing.Document) (c filing.Call, err error) {
		printed, err = d.PDF()
		return filing.Call{Type: "Paper", Body: printed}, err
	}
	plan(t, p, vendorTraits, exchange(connector.ItemExchange, connector.AsVendorCall))
	if !bytes.HasPrefix(printed, []byte("%PDF-")) {
		t.Errorf("%d bytes that are no PDF", len(printed))
	}
}
