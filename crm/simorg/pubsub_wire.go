package simorg

import (
	"encoding/binary"
	"errors"
	"io"

	"google.golang.org/protobuf/encoding/protowire"
)

// The messages of eventbus.v1 that are spoken here, by field number:
//
//	TopicRequest   1 topic_name
//	TopicInfo      1 topic_name, 2 tenant_guid, 3 can_publish, 4 can_subscribe, 5 schema_id, 6 rpc_id
//	SchemaRequest  1 schema_id
//	SchemaInfo     1 schema_json, 2 schema_id, 3 rpc_id
//	FetchRequest   1 topic_name, 2 replay_preset, 3 replay_id, 4 num_requested, 5 auth_refresh
//	FetchResponse  1 events, 2 latest_replay_id, 3 rpc_id, 4 pending_num_requested
//	ConsumerEvent  1 event, 2 replay_id
//	ProducerEvent  1 id, 2 schema_id, 3 payload

// message holds the last value of each field of a flat message: strings and bytes in text, integers in number.
type message struct {
	text   map[protowire.Number]string
	number map[protowire.Number]uint64
}

var errBadMessage = errors.New("not a protocol buffer")

func parseMessage(b []byte) (message, error) {
	m := message{map[protowire.Number]string{}, map[protowire.Number]uint64{}}
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return m, errBadMessage
		}
		b = b[n:]
		switch typ {
		case protowire.BytesType:
			var v []byte
			if v, n = protowire.ConsumeBytes(b); n >= 0 {
				m.text[num] = string(v)
			}
		case protowire.VarintType:
			m.number[num], n = protowire.ConsumeVarint(b)
		default:
			n = protowire.ConsumeFieldValue(num, typ, b)
		}
		if n < 0 {
			return m, errBadMessage
		}
		b = b[n:]
	}
	return m, nil
}

// appendText leaves empty text out, as proto3 does.
func appendText(b []byte, num protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, num, protowire.BytesType), s)
}

func appendNumber(b []byte, num protowire.Number, n uint64) []byte {
	if n == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), n)
}

func appendBytes(b []byte, num protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), v)
}

// replayBytes is a replay id on the wire.
func replayBytes(id uint64) []byte { return binary.BigEndian.AppendUint64(nil, id) }

// maxMessage is the largest message a client may send: grpc's usual limit.
const maxMessage = 4 << 20

var (
	errCompressed = errors.New("compressed message")
	errTooLarge   = errors.New("message too large")
)

// readMessage reads one length-prefixed message of a gRPC stream; io.EOF says that the client has sent all.
func readMessage(r io.Reader) ([]byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head[1:])
	switch {
	case head[0] != 0:
		return nil, errCompressed
	case size > maxMessage:
		return nil, errTooLarge
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, io.ErrUnexpectedEOF
	}
	return b, nil
}

// frame puts the length prefix of gRPC before a message.
func frame(msg []byte) []byte {
	b := make([]byte, 5, 5+len(msg))
	binary.BigEndian.PutUint32(b[1:], uint32(len(msg)))
	return append(b, msg...)
}
