package events

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"

	"github.com/rosterd/rosterd/crm"
	"github.com/rosterd/rosterd/crm/events/eventbus"
)

const (
	maxMessage  = 8 << 20          // Salesforce sends up to some 3 MB
	dialWait    = 20 * time.Second // for a connection
	callWait    = 30 * time.Second // for a schema or a topic
	pingEvery   = time.Minute      // finds half-open connections
	pingTimeout = 20 * time.Second
)

// target is where the API is, and how to be sure of it.
type target struct {
	address string
	creds   credentials.TransportCredentials
}

// newTarget reads an endpoint: host:port, or http://host:port for a loopback
// address without TLS.
func newTarget(endpoint, caFile string) (target, error) {
	if plain, ok := strings.CutPrefix(endpoint, "http://"); ok {
		u, err := url.Parse(endpoint)
		if err != nil || u.Port() == "" || u.Host != plain {
			return target{}, fmt.Errorf("pubsub_endpoint: not http://host:port")
		}
		if ip := net.ParseIP(u.Hostname()); !strings.EqualFold(u.Hostname(), "localhost") && (ip == nil || !ip.IsLoopback()) {
			return target{}, fmt.Errorf("pubsub_endpoint: plaintext is for loopback addresses only")
		}
		return target{"passthrough:///" + plain, insecure.NewCredentials()}, nil
	}
	if _, port, err := net.SplitHostPort(endpoint); err != nil || port == "" {
		return target{}, fmt.Errorf("pubsub_endpoint: not host:port")
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return target{}, fmt.Errorf("read ca_file: %w", err)
		}
		if conf.RootCAs, err = x509.SystemCertPool(); err != nil {
			conf.RootCAs = x509.NewCertPool()
		}
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return target{}, errors.New("ca_file holds no certificate")
		}
	}
	return target{"dns:///" + endpoint, credentials.NewTLS(conf)}, nil
}

// conn is a connection to the API. What is below it is replaced in tests.
type conn interface {
	subscribe(ctx context.Context) (wire, error)
	schema(ctx context.Context, id string) (string, error)
	close()
}

// wire is one stream. One goroutine may send while another receives.
type wire interface {
	send(r *eventbus.FetchRequest) error
	// answered waits for the head of the answer, and reports whether there is one.
	// It comes before the first receive, which tells why there is none.
	answered() bool
	receive() (*eventbus.FetchResponse, error)
}

// dialed is a connection of one session. Each stream has one of its own: what
// was half open once would be so again.
type dialed struct {
	grpc   *grpc.ClientConn
	client eventbus.PubSubClient
	meta   metadata.MD
}

func (t target) dial(s crm.Session, more ...grpc.DialOption) (*dialed, error) {
	cc, err := grpc.NewClient(t.address, append([]grpc.DialOption{
		grpc.WithTransportCredentials(t.creds),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingEvery, Timeout: pingTimeout}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: time.Second, Multiplier: 1.5, MaxDelay: 5 * time.Second}, MinConnectTimeout: dialWait}),
		grpc.WithDisableServiceConfig(), grpc.WithDisableRetry(), grpc.WithIdleTimeout(0),
		grpc.WithUserAgent("rosterd"),
	}, more...)...)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	return &dialed{cc, eventbus.NewPubSubClient(cc), metadata.Pairs(
		"accesstoken", string(s.Token), "instanceurl", s.InstanceURL, "tenantid", s.OrgID,
	)}, nil
}

func (d *dialed) close() { _ = d.grpc.Close() } // it was only read from

func (d *dialed) subscribe(ctx context.Context) (wire, error) {
	stream, err := d.client.Subscribe(metadata.NewOutgoingContext(ctx, d.meta))
	if err != nil {
		return nil, errorOf(err, nil)
	}
	return &subscription{stream}, nil
}

func (d *dialed) schema(ctx context.Context, id string) (string, error) {
	ctx, cancel := context.WithTimeout(metadata.NewOutgoingContext(ctx, d.meta), callWait)
	defer cancel()
	var trailer metadata.MD
	info, err := d.client.GetSchema(ctx, &eventbus.SchemaRequest{SchemaId: id}, grpc.Trailer(&trailer))
	if err != nil {
		return "", fmt.Errorf("read schema: %w", errorOf(err, trailer))
	}
	return info.GetSchemaJson(), nil
}

func (d *dialed) topic(ctx context.Context, name string) (*eventbus.TopicInfo, error) {
	ctx, cancel := context.WithTimeout(metadata.NewOutgoingContext(ctx, d.meta), callWait)
	defer cancel()
	var trailer metadata.MD
	info, err := d.client.GetTopic(ctx, &eventbus.TopicRequest{TopicName: name}, grpc.Trailer(&trailer))
	if err != nil {
		return nil, fmt.Errorf("ask for the topic: %w", errorOf(err, trailer))
	}
	return info, nil
}

type subscription struct {
	stream eventbus.PubSub_SubscribeClient
}

// send leaves the reason of a stream that has ended to receive.
func (s *subscription) send(r *eventbus.FetchRequest) error {
	if err := s.stream.Send(r); err != nil && !errors.Is(err, io.EOF) {
		return errorOf(err, nil)
	}
	return nil
}

func (s *subscription) answered() bool {
	head, err := s.stream.Header()
	return err == nil && head != nil
}

func (s *subscription) receive() (*eventbus.FetchResponse, error) {
	resp, err := s.stream.Recv()
	if err != nil {
		return nil, errorOf(err, s.stream.Trailer())
	}
	return resp, nil
}
