package browser

import (
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/testdata/threads"
)

// mothers is the thread in which only Theo's mother has written, as a doctor has it open in the EHR's frame, and what its composer
// says of who will read a reply.
func (c *clinic) mothers(t *testing.T) (in *Page, says, seen string) {
	t.Helper()
	_, in = c.inbox(c.browse(t, ThirdParty), c.chart(theo, ana))
	c.thread(in, "Theo's rash")
	says = text(t, in, "#c-read")
	if !strings.Contains(says, "to Hannah Whitlock (mother), not to Theo Whitlock") {
		t.Fatalf("the composer says %q before anybody else has written", says)
	}
	seen, err := in.Value("#seen")
	done(t, err)
	return in, says, seen
}

// secret is what the patient writes in that thread.
const secret = "Please do not tell my mother this."

func (c *clinic) confide() {
	c.t.Helper()
	w := words{Thread: "rash-theo", Subject: "Theo's rash", ID: "m-secret", Text: secret, Sequence: 99, Sender: "Theo Whitlock", Patient: patient{theo, "Theo", "Whitlock", "2021-05-30"}}
	c.post([][]byte{w.event(time.Now())})
}

// TestReaderIsAskedLive: the patient writes into the mother's thread while it is open and nothing is written in it. With the message
// comes the question who reads the answer, which is said, and the focus stays; an answer goes to nobody before that is chosen.
func TestReaderIsAskedLive(t *testing.T) {
	need(t)
	c := openClinic(t, threads.All())
	in, _, before := c.mothers(t)
	done(t, in.Click("#text"))
	c.confide()
	done(t, in.See(Saying("p", secret)))
	done(t, in.See("//*[@id='c-read'][contains(.,'Who will read this?')]"))
	done(t, in.See("#text:focus"))
	done(t, in.See("//*[@id='say'][contains(.,'Theo Whitlock')][contains(.,'Who will read a reply has changed.')]"))
	if seen, err := in.Value("#seen"); err != nil || seen == before {
		t.Errorf("the message is shown and counts as unseen (%v)", err)
	}
	if n, err := in.Count("#c-read [name=to]:checked, #c-read [name=to][type=hidden]"); err != nil || n != 0 {
		t.Errorf("%d readers are chosen already (%v)", n, err)
	}
	done(t, in.Type("#text", "What did you not want to tell?"))
	done(t, in.Click("#send"))
	done(t, in.See("//*[@id='problem'][contains(.,'Choose who this message is for')]"))
	if n, err := in.Count(".undo"); err != nil || n != 0 {
		t.Errorf("%d messages go out (%v)", n, err)
	}
	done(t, in.Click("//label[contains(.,'Theo Whitlock')]"))
	done(t, in.See("//*[@id='c-read'][contains(.,'to Theo Whitlock, not to Hannah Whitlock (mother)')]"))
	done(t, in.Click("#send"))
	done(t, in.See("//li[contains(@class,'entry')][.//p[contains(.,'to Theo Whitlock')]]//form[contains(@class,'undo')]"))
}

// TestReaderWhileWriting: once something is written, what comes changes neither who will read it nor what counts as seen: Send stops
// and asks. So it does where the stream is late and a file was added meanwhile, which brings the composer anew.
func TestReaderWhileWriting(t *testing.T) {
	need(t)
	for name, late := range map[string]bool{"shown": false, "late": true} {
		t.Run(name, func(t *testing.T) {
			c := openClinic(t, threads.All())
			in, says, before := c.mothers(t)
			done(t, in.Type("#text", "What did you not want to tell?"))
			if late {
				_, err := Get(in, evaluated("cw.refresh = async () => {}, ''"))
				done(t, err)
			}
			c.confide()
			if late {
				done(t, in.Choose("#files", photo(t)))
				done(t, in.See("//ul[contains(@class,'kept')]//span[contains(.,'leaflet.png')]"))
			} else {
				done(t, in.See(Saying("p", secret)))
				if now := text(t, in, "#c-read"); now != says {
					t.Errorf("a reply under way goes %q, and went %q", now, says)
				}
			}
			if seen, err := in.Value("#seen"); err != nil || seen != before {
				t.Errorf("what came while something was written counts as seen (%v)", err)
			}
			done(t, in.Click("#send"))
			done(t, in.See("//*[@id='clash'][contains(.,'Theo Whitlock wrote in this thread')]"))
			if n, err := in.Count(".undo"); err != nil || n != 0 {
				t.Errorf("%d messages go out (%v)", n, err)
			}
		})
	}
}
