package oracle

import (
	"testing"

	"github.com/chartwire/chartwire/adapters/ehr/ehrtest"
	"github.com/chartwire/chartwire/connector"
)

// TestConformance runs the suite against the sandbox with Oracle's rules: with what patients write, and with what staff write.
func TestConformance(t *testing.T) {
	keys := Keys{Scopes: SpellAuto, Category: "notification", Inbox: "Group/triage", ReplyTo: "Group/triage"}
	start := func(t *testing.T) *ehrtest.Rig { return newLab(t, granted, keys).rig() }
	t.Run("documents", func(t *testing.T) {
		t.Parallel()
		ehrtest.Run(t, ehrtest.Harness{Strategy: connector.AsCommunication, Start: start})
	})
	t.Run("notes and threads", func(t *testing.T) {
		t.Parallel()
		ehrtest.Run(t, ehrtest.Harness{Strategy: connector.AsNote, Threads: true, Start: start})
	})
	t.Run("staff messages", func(t *testing.T) {
		t.Parallel()
		ehrtest.Run(t, ehrtest.Harness{Strategy: connector.AsCommunication, Start: func(t *testing.T) *ehrtest.Rig {
			r := start(t)
			r.Message, r.Fixed = fromStaff, true
			return r
		}})
	})
}

func fromStaff(x *connector.Exchange) {
	x.Message.Direction = connector.ToPatient
	x.Message.Sender = connector.Participant{Role: connector.RoleClinician, ID: "c-1", Name: "Some Clinician"}
	x.Message.Recipients = []connector.Participant{{Role: connector.RolePatient}}
}

// TestTexts: ten thousand texts leave in either shape with every byte, or do not leave.
func TestTexts(t *testing.T) {
	keys := Keys{Scopes: SpellAuto, Category: "notification", Inbox: "Group/triage", ReplyTo: "Group/triage"}
	for name, staff := range map[string]bool{"documents": false, "staff messages": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ehrtest.Texts(t, ehrtest.Harness{Strategy: connector.AsCommunication, Start: func(t *testing.T) *ehrtest.Rig {
				r := newLab(t, granted, keys).rig()
				if staff {
					r.Message = fromStaff
				}
				return r
			}})
		})
	}
}
