package browser

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/chartwire/chartwire/testdata/threads"
)

// george and yusuf are patients of the bundled threads.
const george, yusuf = "MRN198031", "MRN176554"

// TestAssigning: a thread is taken from the list and given back from its page, and the key that assigns leads from a row to the
// choice, which it makes for a colleague. Each says what was done.
func TestAssigning(t *testing.T) {
	need(t)
	c := openClinic(t, threads.All())
	in := open(t, c.browse(t, ThirdParty), c.direct("", ana))
	row := func(has string) string {
		return "//li[contains(@class,'row')][.//b[normalize-space(.)=\"Theo's rash\"]]" + has
	}
	done(t, in.Click(row("//button[contains(@id,'-take')]")))
	done(t, in.See(row("//span[@class='chip mine'][.='with you']")))
	done(t, in.See("//*[@id='say'][.='You have it now.']"))
	c.thread(in, "Theo's rash")
	done(t, in.See("//div[@id='thread-head']//span[.='with you']"))
	unfold(t, in)
	done(t, in.Click("#w-release"))
	done(t, in.See("//div[@id='thread-head'][contains(.,'nobody has it')]"))
	done(t, in.See("//*[@id='say'][.='Given back.']"))

	done(t, in.Click("//nav//a[.='Work list']"))
	done(t, in.See(row("[contains(.,'nobody has it')]")))
	_, err := Get(in, chromedp.Evaluate[chromedp.Void](`[...document.querySelectorAll('a[data-row]')].find(a => a.innerText.includes("Theo's rash")).focus()`))
	done(t, err)
	done(t, in.Press("a"))
	done(t, in.See("#assign:focus"))
	choose(t, in, "#assign", "Dev Sharma")
	done(t, in.Click(Called("button", "Assign")))
	done(t, in.See("//div[@id='thread-head'][contains(.,'with Dev Sharma')]"))
	done(t, in.See("//*[@id='say'][.='Assigned.']"))
	done(t, in.Press("a"))
	done(t, in.See("#assign:focus"))
}

// TestEditedAndTakenBack: what was edited says what it said before, and what was taken back stays to be read, marked.
func TestEditedAndTakenBack(t *testing.T) {
	need(t)
	axe, err := LoadAxe(t.Context(), *packages)
	done(t, err)
	c := openClinic(t, threads.All())
	b := c.browse(t, ThirdParty)
	in := open(t, b, c.direct(yusuf, ana))
	c.thread(in, "Peak flow")
	edited := "//li[contains(@class,'entry')][.//p[contains(.,'budesonide/formoterol')]]"
	done(t, in.Click(edited+"//summary[.='Edited by Dr. Dev Sharma: 2 earlier versions']"))
	done(t, in.See(edited+"//details[@open]//p[contains(@class,'old')][contains(.,'the controller inhaler 2 puffs')]"))
	if n := themes(t, axe, in); n > 0 {
		t.Errorf("%d rules are broken", n)
	}
	in = open(t, b, c.direct(george, ana))
	c.thread(in, "Tight chest when climbing stairs")
	back := "//li[contains(@class,'gone')][.//p[contains(@class,'warn')][contains(.,'Taken back')][contains(.,'Sent to the wrong patient')]]"
	done(t, in.See(back+"//p[contains(@class,'text')][contains(.,'Your INR of 4.8')]"))
	if n := themes(t, axe, in); n > 0 {
		t.Errorf("%d rules are broken", n)
	}
}

// TestWorkListPages: the list goes on where a page ends, and shows what its filters name. Somebody who has nothing sees that.
func TestWorkListPages(t *testing.T) {
	need(t)
	axe, err := LoadAxe(t.Context(), *packages)
	done(t, err)
	events, begin := staffed(time.Now()), time.Now().Add(-3*time.Hour)
	const all = 30
	for n := range all {
		events = append(events, words{Thread: fmt.Sprint("n", n), Subject: fmt.Sprintf("Question %02d", n), ID: fmt.Sprint("q", n), Sequence: 1, Sender: "Nora Field", Text: "When can I walk again?", Patient: nora}.
			event(begin.Add(time.Duration(n)*time.Minute)))
	}
	c := openClinic(t, events)
	in := open(t, c.browse(t, Allowed), c.direct("", ana))
	done(t, in.See("[data-row]"))
	seen := map[string]bool{}
	for page := range 2 {
		subjects, err := Get(in, chromedp.Evaluate[[]string](`[...document.querySelectorAll('a[data-row] b[dir=auto]')].map(b => b.innerText)`))
		done(t, err)
		for _, s := range subjects {
			if seen[s] {
				t.Errorf("%s is on both pages", s)
			}
			seen[s] = true
		}
		if page == 0 {
			done(t, in.Click(Called("a", "Next page")))
			done(t, in.Gone(fmt.Sprintf("//a[@data-row][.//b[normalize-space(.)=%s]]", quoted(subjects[0]))))
		}
	}
	for n := range all {
		if s := fmt.Sprintf("Question %02d", n); !seen[s] {
			t.Errorf("%s is on neither page", s)
		}
	}
	done(t, in.Click("#f-mine"))
	done(t, in.See("//section[@class='empty'][contains(.,'No thread fits this filter.')]"))
	if n := themes(t, axe, in); n > 0 {
		t.Errorf("%d rules are broken in the empty list", n)
	}
	done(t, in.Click(Called("a", "Show all my pools")))
	done(t, in.Click("//li[.//b[.='Question 00']]//button[contains(@id,'-take')]"))
	done(t, in.See("//li[.//b[.='Question 00']]//span[.='with you']"))
	done(t, in.Click("#f-mine"))
	done(t, in.See("//div[@id='list'][count(.//a[@data-row])=1]//b[.='Question 00']"))
	done(t, in.Click("#f-mine"))
	done(t, in.See("//div[@id='list'][count(.//a[@data-row])>1]"))
	done(t, in.Click("#f-free"))
	done(t, in.Gone("//li[.//b[.='Question 00']]"))
	done(t, in.See("//b[.='Question 01']"))
}
