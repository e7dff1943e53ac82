package inbox

import (
	"context"
	"errors"
	"slices"

	"github.com/chartwire/chartwire/connector"
)

// octets is what a file is given as that is none of the safe types: a browser keeps it and shows nothing of it.
const octets = "application/octet-stream"

// File gives an attachment of a message or of a draft of the user, or a small picture of it. contentType is what its bytes are,
// application/octet-stream where that is no safe type or not what its sender said. Errors as Thread's; ErrNotFound also where it
// has not come yet, or no small picture can be made of it.
func (d *Desk) File(ctx context.Context, s *Session, thread, message, attachment string, thumb bool) (name, contentType string, data []byte, err error) {
	a, data, err := d.attachment(ctx, s, thread, message, attachment)
	if err != nil {
		return "", "", nil, err
	}
	if thumb {
		small, kind, err := d.thumbs.of(ctx, data)
		return cleanName(a.Filename), kind, small, err
	}
	contentType = kindOf(data)
	if contentType == "" || contentType != a.ContentType {
		contentType = octets
	}
	return cleanName(a.Filename), contentType, data, nil
}

// attachment reads a file the session may see, and audits that.
func (d *Desk) attachment(ctx context.Context, s *Session, thread, message, id string) (a connector.Attachment, data []byte, err error) {
	if thread == "" {
		err = d.o.Store.View(ctx, func(tx connector.Tx) error {
			a, data, err = d.draftAttachment(tx, s, thread, message, id)
			return err
		})
		return a, data, err // their own file: nobody's message is read
	}
	t, _, err := d.open(ctx, s, thread)
	if err != nil {
		return a, nil, err
	}
	draft, foreign := false, false
	err = d.o.Store.View(ctx, func(tx connector.Tx) error {
		if _, err := still(tx, t); err != nil {
			return err
		}
		m, err := tx.Message(t.EHR, message)
		if draft = errors.Is(err, connector.ErrNotFound); draft {
			a, data, err = d.draftAttachment(tx, s, t.ID, message, id)
			return err
		}
		if err != nil {
			return err
		}
		at := slices.IndexFunc(m.Message.Attachments, func(a connector.Attachment) bool { return a.ID == id })
		if foreign = m.Thread != t.ID; foreign || at < 0 {
			return connector.ErrNotFound
		}
		a = m.Message.Attachments[at]
		all, err := tx.Blobs(t.EHR, t.ID, m.ID)
		data = all[id]
		if err == nil && data == nil {
			err = connector.ErrNotFound
		}
		return err
	})
	switch {
	case foreign:
		return connector.Attachment{}, nil, d.deny(ctx, s, t.ID, "other-thread", connector.ErrNotFound)
	case err != nil || draft:
		return a, data, err
	}
	return a, data, d.read(ctx, s, map[string]string{"act": "attachment", "message": message}, t.ID)
}

func (d *Desk) draftAttachment(tx connector.Tx, s *Session, thread, draft, id string) (a connector.Attachment, data []byte, err error) {
	row, b, err := d.own(tx, s, draft)
	if err != nil {
		return a, nil, err
	}
	at := slices.IndexFunc(b.Files, func(f draftFile) bool { return f.ID == id })
	if row.Thread != thread || at < 0 {
		return a, nil, connector.ErrNotFound
	}
	all, err := tx.Blobs(row.EHR, "", row.ID)
	if err == nil && len(all[id]) == 0 {
		err = connector.ErrNotFound
	}
	f := b.Files[at]
	return connector.Attachment{ID: f.ID, Filename: f.Name, ContentType: f.Type}, all[id], err
}
