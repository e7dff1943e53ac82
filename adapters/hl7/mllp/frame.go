// Package mllp carries HL7 v2 messages over a connection by the Minimal Lower Layer Protocol: a message stands between 0x0B
// and 0x1C 0x0D (HL7 v2.5.1 ch. 2.9, implementation guide appendix C). [Client] sends and says of every failure whether a byte
// of the message had left; [Server] takes messages and answers them.
//
// The connection is the caller's: it is dialed, guarded and made TLS outside. Times are the deadlines of contexts and durations;
// nothing here reads a clock.
package mllp

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"io"
)

const (
	startBlock = 0x0B
	endBlock   = 0x1C
	carriage   = 0x0D
)

// What [Reader.Next] finds wrong with what comes in. The connection cannot be read on after any of them.
var (
	// ErrGarbage is bytes that stand outside a frame.
	ErrGarbage = errors.New("mllp: bytes outside a frame")
	// ErrTorn is a frame that another begins in, or an end block without its CR.
	ErrTorn = errors.New("mllp: a frame that is not ended as one")
	// ErrTooLarge is a message over the reader's limit.
	ErrTooLarge = errors.New("mllp: a message over the size limit")
)

// ErrUnsendable is a message that no frame can carry or whose header says too little to match an answer to it. Sending it
// again would end the same way: a person is needed.
var ErrUnsendable = errors.New("mllp: the message cannot be sent")

// Frame puts a message between the framing bytes. A message that is empty or holds one of them is an [ErrUnsendable]: it
// would end its own frame, and a part of it could be read as another message.
func Frame(message []byte) ([]byte, error) {
	if len(message) == 0 || bytes.IndexByte(message, startBlock) >= 0 || bytes.IndexByte(message, endBlock) >= 0 {
		return nil, ErrUnsendable
	}
	framed := make([]byte, 0, len(message)+3)
	framed = append(framed, startBlock)
	framed = append(framed, message...)
	return append(framed, endBlock, carriage), nil
}

// Reader takes messages out of a stream: several that came in one read, and one that came in many. A line feed behind a
// frame's end is passed over.
type Reader struct {
	// Skipped, where it is set, is told how many bytes stood before a frame and were passed over; they may not exceed the
	// message limit in a row. Where it is nil such bytes are an [ErrGarbage].
	Skipped func(bytes int)

	in      *bufio.Reader
	max     int
	trailed bool // a frame has just ended: a line feed may follow
	err     error
}

// DefaultMax is the largest message a reader takes where no limit is given: 16 MiB.
const DefaultMax = 16 << 20

// NewReader reads frames from r with messages of at most limit bytes, 0 is [DefaultMax].
func NewReader(r io.Reader, limit int) *Reader {
	return &Reader{in: bufio.NewReader(r), max: cmp.Or(limit, DefaultMax)}
}

// Next is the next message, without its frame; it is the caller's to keep. io.EOF: the stream ended between two frames;
// io.ErrUnexpectedEOF: within one. After an error every call returns the same.
func (r *Reader) Next() ([]byte, error) {
	if err := r.begin(); err != nil {
		return nil, err
	}
	return r.body()
}

// begin waits for a frame to begin.
func (r *Reader) begin() error {
	skipped := 0
	for r.err == nil {
		b, err := r.in.ReadByte()
		switch {
		case err != nil:
			r.err = err
		case b == startBlock:
			if skipped > 0 {
				r.Skipped(skipped)
			}
			return nil
		case b == '\n' && r.trailed && skipped == 0:
			r.trailed = false
		case r.Skipped == nil || skipped >= r.max:
			r.err = ErrGarbage
		default:
			skipped++
		}
	}
	if skipped > 0 {
		r.Skipped(skipped)
	}
	return r.err
}

// body reads the message of a frame that has begun.
func (r *Reader) body() ([]byte, error) {
	var message []byte
	for r.err == nil {
		piece, err := r.in.ReadSlice(endBlock)
		ended := err == nil
		if ended {
			piece = piece[:len(piece)-1]
		}
		switch {
		case bytes.IndexByte(piece, startBlock) >= 0:
			r.err = ErrTorn
		case len(message)+len(piece) > r.max:
			r.err = ErrTooLarge
		case ended:
			return r.end(append(message, piece...))
		case errors.Is(err, io.EOF):
			r.err = io.ErrUnexpectedEOF
		case !errors.Is(err, bufio.ErrBufferFull):
			r.err = err
		default:
			message = append(message, piece...)
		}
	}
	return nil, r.err
}

// end reads the CR that makes an end block one.
func (r *Reader) end(message []byte) ([]byte, error) {
	switch b, err := r.in.ReadByte(); {
	case errors.Is(err, io.EOF):
		r.err = io.ErrUnexpectedEOF
	case err != nil:
		r.err = err
	case b != carriage:
		r.err = ErrTorn
	default:
		r.trailed = true
		return message, nil
	}
	return nil, r.err
}
