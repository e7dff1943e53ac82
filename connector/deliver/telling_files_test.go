package deliver_test

import (
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// A correction whose file is not here yet is told once it is, and those after it with it.
func TestTranscriptLeavesACorrectionUntilItsFileIsHere(t *testing.T) {
	threads(t, func(w *world) {
		w.platform.set(func(p *platform) {
			p.fetch = &connector.Retry{Reason: connector.EHRUnavailable, After: 30 * time.Minute}
		})
		w.run()
		w.accept(said("a", 1, "uno"))
		w.pass(2 * idle)
		c := corrected("a", 2, "see the photo")
		c.Correction.Attachments = []connector.Attachment{{ID: "f1", ContentType: "image/jpeg", URL: "https://media/1"}}
		w.accept(c)
		w.pass(time.Second)
		w.is(w.items(thread1, connector.ItemCorrection)[0], connector.Held, connector.NeedsAttachment)
		w.accept(corrected("a", 3, "see it"), said("b", 2, "dos"))
		w.pass(2 * idle)
		corrections := w.items(thread1, connector.ItemCorrection)
		w.is(corrections[0], connector.Held, connector.NeedsAttachment)
		w.is(corrections[1], connector.Waiting, "")
		w.shows("t-1/v1 superseded: a=uno", "t-1/v2 current: a=uno, b=dos; replaces t-1/v1")
		w.platform.set(func(p *platform) { p.fetch, p.files["https://media/1"] = nil, []byte("a photo") })
		w.pass(2 * time.Hour)
		for _, c := range w.items(thread1, connector.ItemCorrection) {
			w.is(c, connector.Filed, "")
		}
		w.shows("t-1/v1 superseded: a=uno", "t-1/v2 superseded: a=uno, b=dos; replaces t-1/v1",
			"t-1/v3 current: a=uno r2=see the photo r3=see it, b=dos; replaces t-1/v2")
	})
}
