package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/chartwire/chartwire/cmd/app"
)

type auditCmd struct {
	Verify auditVerifyCmd `cmd:"" help:"Hold every audit log to its signed head: finds edits, deletions, reordering and truncation."`
}

type auditVerifyCmd struct {
	configFlag
	JSON bool `help:"Print JSON."`
}

func (c auditVerifyCmd) Run(ctx context.Context, s streams) error {
	var reports []app.AuditReport
	if err := c.operate(ctx, s, http.MethodGet, "/audit/verify", &reports); err != nil {
		return err
	}
	bad := false
	for _, r := range reports {
		bad = bad || !r.OK()
		if c.JSON {
			continue
		}
		fmt.Fprintf(s.out, "%-16s %d rows in the log, %d waiting, root %s, %d findings\n", r.Log, r.Sealed, r.Waiting, r.Root, len(r.Findings))
		for _, f := range r.Findings {
			fmt.Fprintf(s.out, "  row %d %s: %s\n", f.Seq, f.ID, f.Text)
		}
	}
	if c.JSON {
		if err := printJSON(s, reports); err != nil {
			return err
		}
	}
	if bad {
		return errFound
	}
	return nil
}
