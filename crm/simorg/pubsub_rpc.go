package simorg

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// The RPCs, as the endpoints of faults. Faults of these befall nothing else, and faults of no endpoint befall none of
// these.
const (
	GetTopic  Endpoint = "get_topic"
	GetSchema Endpoint = "get_schema"
	Subscribe Endpoint = "subscribe" // when the first request of a stream has come
	Delivery  Endpoint = "delivery"  // when a response with events is about to go out
	Event     Endpoint = "event"     // when a change event is about to enter the log
)

// Status codes of gRPC.
const (
	grpcOK                 = 0
	grpcInvalidArgument    = 3
	grpcNotFound           = 5
	grpcPermissionDenied   = 7
	grpcResourceExhausted  = 8
	grpcUnimplemented      = 12
	grpcInternal           = 13
	grpcUnavailable        = 14
	grpcUnauthenticated    = 16
	errorPrefix            = "sfdc.platform.eventbus.grpc."
	codeUnavailable        = "service.unavailable"
	codeAuth               = "service.auth.error"
	codeReplayCorrupted    = "subscription.fetch.replayid.corrupted"
	codeLimit              = "subscription.limit.exceeded"
	codeTopicPermission    = "topic.meta.permission"
	codeSchemaFailed       = "schema.validation.failed"
	messageLimit           = "You have exceeded the event delivery limit for your org."
	messageReplayCorrupted = "The Replay ID validation failed. Ensure that the Replay ID is valid."
)

// rpcError ends an RPC. Without a code there is no error-code trailer.
type rpcError struct {
	status  int
	code    string
	message string
	after   EffectKind // what happens to the stream or the connection instead of a status, if anything
}

func refuse(status int, code, message string) *rpcError {
	return &rpcError{status: status, code: code, message: message}
}

// rpc is one call.
type rpc struct {
	p    *PubSub
	w    http.ResponseWriter
	r    *http.Request
	id   string // rpc_id
	sess *session
}

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func (p *PubSub) serve(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor != 2 || r.Method != http.MethodPost || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
		http.Error(w, "this speaks gRPC", http.StatusUnsupportedMediaType)
		return
	}
	if !p.begin() {
		return
	}
	defer p.calls.Done()
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Grpc-Accept-Encoding", "identity")
	c := &rpc{p: p, w: w, r: r, id: newUUID()}
	c.end(c.dispatch())
}

func (c *rpc) dispatch() *rpcError {
	method, ours := strings.CutPrefix(c.r.URL.Path, "/eventbus.v1.PubSub/")
	kind := map[string]Endpoint{"GetTopic": GetTopic, "GetSchema": GetSchema, "Subscribe": Subscribe}[method]
	if !ours || kind == "" {
		return refuse(grpcUnimplemented, "", "Method not found: "+strings.TrimPrefix(c.r.URL.Path, "/"))
	}
	c.p.o.mu.Lock()
	c.p.o.bus.calls[kind]++
	c.p.o.mu.Unlock()
	if kind == Subscribe {
		return c.subscribe()
	}
	b, bad := c.read()
	if bad != nil {
		return bad
	}
	if bad := c.suffer(c.p.o.faults.pickRPC(kind, string(b), false)); bad != nil {
		return bad
	}
	if bad := c.authenticate(); bad != nil {
		return bad
	}
	m, err := parseMessage(b)
	if err != nil {
		return refuse(grpcInternal, "", "Invalid protobuf byte sequence")
	}
	if kind == GetTopic {
		return c.topic(m.text[1])
	}
	return c.schema(m.text[1])
}

// read takes the next message of the client.
func (c *rpc) read() ([]byte, *rpcError) {
	b, err := readMessage(c.r.Body)
	if err != nil {
		return nil, refuseMessage(err)
	}
	return b, nil
}

func refuseMessage(err error) *rpcError {
	switch {
	case errors.Is(err, errCompressed):
		return refuse(grpcUnimplemented, "", "Can't decompress: no compression is agreed on")
	case errors.Is(err, errTooLarge):
		return refuse(grpcResourceExhausted, "", "gRPC message exceeds maximum size "+strconv.Itoa(maxMessage))
	case errors.Is(err, io.EOF):
		return refuse(grpcInternal, "", "Half-closed without a request")
	default:
		return refuse(grpcInternal, "", "Encountered end-of-stream mid-frame")
	}
}

// authenticate checks the metadata of a call.
func (c *rpc) authenticate() *rpcError {
	for _, name := range []string{"accesstoken", "instanceurl", "tenantid"} {
		if v := c.r.Header.Values(name); len(v) != 1 || v[0] == "" {
			return refuse(grpcUnauthenticated, "service.auth.headers.invalid", "A required authentication header is missing or blank: "+name)
		}
	}
	o := c.p.o
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	o.settleLocked(now)
	sess := o.sessionLocked(c.r.Header.Get("accesstoken"), now)
	tenant := c.r.Header.Get("tenantid")
	tenant = tenant[strings.LastIndexByte(tenant, '/')+1:] // once spelled core/prod/00D…
	if id, ok := normalID(tenant); ok && len(tenant) == 15 {
		tenant = id
	}
	if sess == nil || tenant != o.opt.OrgID || c.r.Header.Get("instanceurl") != sess.instance {
		return refuse(grpcUnauthenticated, codeAuth, "Authentication exception occurred.")
	}
	c.sess = sess
	return nil
}

// topicNumber finds a topic. Its name is case-sensitive.
func topicNumber(name string) (int, *rpcError) {
	switch name {
	case UserTopic:
		return userTopic, nil
	case ChangeTopic:
		return changeTopic, nil
	case "":
		return 0, refuse(grpcInvalidArgument, "topic.validation.empty", "The topic name can't be blank.")
	default:
		return 0, refuse(grpcNotFound, "topic.not.found", "The topic "+name+" was not found.")
	}
}

// allowed says whether the API user may subscribe. Only the topic of one object is guarded: the other is filtered.
func (b *bus) allowed(topic int) *rpcError {
	if topic == userTopic && b.blind {
		return noPermission()
	}
	return nil
}

func noPermission() *rpcError {
	return refuse(grpcPermissionDenied, codeTopicPermission, "You don't have permission to access the topic.")
}

func (c *rpc) topic(name string) *rpcError {
	topic, bad := topicNumber(name)
	if bad != nil {
		return bad
	}
	o := c.p.o
	o.mu.Lock()
	bad = o.bus.allowed(topic)
	schema := o.bus.schema.id
	o.mu.Unlock()
	if bad != nil {
		return bad
	}
	b := appendText(nil, 1, name)
	b = appendText(b, 2, o.opt.OrgID)
	b = appendNumber(b, 4, 1)
	if topic == userTopic { // events of many objects have many schemas
		b = appendText(b, 5, schema)
	}
	return c.send(appendText(b, 6, c.id))
}

func (c *rpc) schema(id string) *rpcError {
	if id == "" {
		return refuse(grpcInvalidArgument, codeSchemaFailed, "Schema validation failed. The schema ID can't be blank.")
	}
	o := c.p.o
	o.mu.Lock()
	s := o.bus.schemas[id]
	o.mu.Unlock()
	if s == nil {
		return refuse(grpcInvalidArgument, codeSchemaFailed, "Schema validation failed. The schema ID is unknown.")
	}
	b := appendText(nil, 1, s.json)
	b = appendText(b, 2, s.id)
	return c.send(appendText(b, 3, c.id))
}

// send writes one message. It waits while the client takes nothing.
func (c *rpc) send(msg []byte) *rpcError {
	if _, err := c.w.Write(frame(msg)); err != nil {
		return refuse(grpcUnavailable, "", "the client is gone")
	}
	c.flush()
	return nil
}

func (c *rpc) flush() {
	_ = http.NewResponseController(c.w).Flush() // the client may have gone
}

// end closes the call with trailers, or as a fault wants it.
func (c *rpc) end(bad *rpcError) {
	if bad == nil {
		bad = &rpcError{}
	}
	switch bad.after {
	case ResetStream:
		panic(http.ErrAbortHandler) // sends RST_STREAM
	case Drop:
		_ = wireOf(c.r).Close() // it may be closed already
		return
	}
	c.flush()
	h := c.w.Header()
	set := func(name, v string) { h.Set(http.TrailerPrefix+name, v) }
	set("Grpc-Status", strconv.Itoa(bad.status))
	if bad.status == grpcOK {
		return
	}
	text := bad.message
	if bad.code != "" {
		text += " rpcId: " + c.id
		set("Error-Code", errorPrefix+bad.code)
		set("Rpc-Id", c.id)
	}
	set("Grpc-Message", escapeMessage(text))
}

// escapeMessage is the percent-encoding of grpc-message.
func escapeMessage(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
