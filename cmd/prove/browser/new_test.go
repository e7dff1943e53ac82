package browser

import (
	"strings"
	"testing"

	"github.com/chartwire/chartwire/testdata/threads"
)

// TestNewMessage: a new message goes to whom and by what its writer chose, under its topic. A channel by which nobody agreed to be
// written to says so and sends nothing, and what was written and chosen is there again under the other one; so it is once the message
// was taken back.
func TestNewMessage(t *testing.T) {
	need(t)
	axe, err := LoadAxe(t.Context(), *packages)
	done(t, err)
	c := openClinicOf(t, threads.All(), "read_only", "portal")
	in := open(t, c.browse(t, ThirdParty), c.direct(theo, ana))
	done(t, in.Click("#new"))
	done(t, in.See("#write[data-begins]"))
	done(t, in.See("//select[@id='channel'][contains(.,'portal (no consent)')]"))
	const wrote = "Please call us to find a day for Theo's check-up."
	choose(t, in, "#topic", "scheduling")
	done(t, in.Type("#text", wrote))
	done(t, in.Click("#send"))
	done(t, in.See("//*[@id='problem'][contains(.,'Choose who this message is for')]"))
	if n := themes(t, axe, in); n > 0 {
		t.Errorf("%d rules are broken where something has to be put right", n)
	}
	done(t, in.Click("//label[contains(.,'Hannah Whitlock')]"))
	const goes = "//*[@id='c-read'][contains(.,'to Hannah Whitlock (mother), not to Theo Whitlock')]"
	done(t, in.See(goes))

	types(t, in, "", "") // and before that is kept:
	choose(t, in, "#channel", "portal")
	done(t, in.See("//*[@id='composer'][not(.//form[@id='write'])]//p[contains(@class,'warn')]"))
	if n, err := in.Count("#send"); err != nil || n != 0 {
		t.Errorf("without consent it can be sent (%v): %s", err, text(t, in, "#composer"))
	}
	choose(t, in, "#channel", "texting")
	chosen := func(when string) {
		t.Helper()
		done(t, in.See("#write"))
		done(t, in.See(goes))
		holds(t, in, wrote)
		if topic, err := in.Value("#topic"); err != nil || topic != "scheduling" {
			t.Errorf("%s its topic is %q (%v)", when, topic, err)
		}
		if channel, err := in.Value("#channel"); err != nil || channel != "texting" {
			t.Errorf("%s it goes by %q (%v)", when, channel, err)
		}
	}
	chosen("under the channel that may")
	done(t, in.Click("#send"))
	done(t, in.See("//ul[@id='drafts']//b[.='Goes out in a moment']"))
	done(t, in.Click(".undo button"))
	chosen("taken back")
	done(t, in.Click("#send"))
	row := "//a[@data-row][contains(.,\"check-up\")][contains(.,'scheduling')]"
	done(t, in.See("//div[@id='list']/ul[not(@id='drafts')]"+row))
	done(t, in.Click("//div[@id='list']/ul[not(@id='drafts')]"+row))
	done(t, in.See("//li[contains(@class,'staff')][.//p[contains(.,'check-up')]]//dt[.='Chart']/following-sibling::dd[contains(.,'On the chart')]"))
	sent := c.platform.Received()
	if len(sent) != 1 || sent[0].Message.Text != wrote || sent[0].Message.Topic != "scheduling" || !strings.Contains(string(sent[0].Message.Recipients), "u-hannah") || strings.Contains(string(sent[0].Message.Recipients), `"patient"`) {
		t.Errorf("the platform was given %+v", sent)
	}
	onChart(t, c, theo, wrote, 0)
}
