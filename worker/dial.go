package worker

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

// Pings notice a coordinator that is gone without a word. The coordinator's enforcement policy must allow them.
const (
	pingEvery   = 10 * time.Second
	pingTimeout = 5 * time.Second
)

// DialAddress returns a Config.Dial for a coordinator at host:port, or any target that gRPC knows, without encryption.
// Further options take precedence.
func DialAddress(address string, options ...grpc.DialOption) func(context.Context) (*grpc.ClientConn, error) {
	all := append([]grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingEvery, Timeout: pingTimeout, PermitWithoutStream: true}),
	}, options...)
	return func(context.Context) (*grpc.ClientConn, error) { return grpc.NewClient(address, all...) }
}
