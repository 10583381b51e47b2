// swift-tools-version: 6.0
import PackageDescription

let package = Package(
  name: "SwiftBackend",
  dependencies: [
    // In a repository of your own: .package(url: "…/gatehouse", branch: "main").
    .package(name: "gatehouse", path: "../.."),
    .package(url: "https://github.com/apple/swift-nio", from: "2.80.0"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.30.0"),
  ],
  targets: [
    .executableTarget(
      name: "SwiftBackend",
      dependencies: [
        .product(name: "GatehouseBackend", package: "gatehouse"), .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"), .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
      ])
  ],
  swiftLanguageModes: [.v6]
)
