package deliver_test

import (
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// file gives a request a file that the EHR keeps apart from it.
func file(words string) func(*connector.EHRRequest) {
	return func(r *connector.EHRRequest) {
		r.Attachments = []connector.Attachment{{ContentType: "application/pdf", Filename: "plan.pdf", URL: "Binary/1", Data: []byte(words)}}
	}
}

// A request born in the EHR is sent with the files that the EHR keeps apart from it.
func TestRequestIsSentWithItsFiles(t *testing.T) {
	watching(t, func(w *world) {
		w.born(asked(ref, file("the plan")))
		w.run()
		w.pass(time.Minute)
		w.platform.set(func(p *platform) {
			if len(p.sent) != 1 || len(p.sent[0].Attachments) != 1 || string(p.sent[0].Attachments[0].Data) != "the plan" {
				t.Errorf("%d messages were sent, or one without the file", len(p.sent))
			}
		})
	})
}

// Its words are the same and its file is another one by the time it is due: it is not sent.
func TestRequestWithAnotherFileIsNotSent(t *testing.T) {
	watching(t, func(w *world) {
		r := asked(ref, file("the plan"), func(r *connector.EHRRequest) { r.DueFrom = r.AuthoredOn.Add(time.Hour) })
		w.born(r)
		w.run()
		w.pass(30 * time.Minute)
		file("another plan")(&r)
		w.put(r)
		w.pass(time.Hour)
		if n := w.platform.count(); n != 0 {
			t.Errorf("%d messages were sent", n)
		}
	})
}
