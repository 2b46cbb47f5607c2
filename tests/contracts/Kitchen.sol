// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// Everything a contract can ask of a client: each function shows one thing.
contract Kitchen {
    struct Line {
        uint32 sku;
        uint256 amount;
    }

    struct Order {
        address buyer;
        Line[] lines;
        Line gift;
        bytes32 ref;
        string note;
        int64[2] shifts;
        bool express;
    }

    error OutOfStock(uint256 wanted, uint256 available, address asker);

    error BadOrder(Line line, string why);

    event Cooked(address indexed cook, uint256 amount);

    uint256 public total = 2 ** 200 + 1;
    uint256 public count;
    mapping(address => uint256) public paid;

    // --- reads

    function add(uint256 a, uint256 b) external pure returns (uint256) {
        return a + b;
    }

    function small(uint8 a, int48 b, uint48 c) external pure returns (uint8, int48, uint48) {
        return (a, b, c);
    }

    function named(uint256 a) external pure returns (uint256 half, bool even) {
        return (a / 2, a % 2 == 0);
    }

    function nothing() external pure {}

    function echo(Order calldata order) external pure returns (Order memory) {
        return order;
    }

    function echoAll(Order[] calldata orders, uint16[][2] calldata grid)
        external
        pure
        returns (Order[] memory, uint16[][2] memory)
    {
        return (orders, grid);
    }

    function pick(uint256 a) external pure returns (string memory) {
        return a == 0 ? "zero" : "number";
    }

    function pick(address a) external pure returns (string memory) {
        return a == address(0) ? "nobody" : "somebody";
    }

    function rawText(bytes calldata text) external pure returns (string memory) {
        return string(text);
    }

    // --- writes

    function cook(uint256 amount) external returns (uint256) {
        count += amount;
        emit Cooked(msg.sender, amount);
        return count;
    }

    function pay() external payable returns (uint256) {
        paid[msg.sender] += msg.value;
        return paid[msg.sender];
    }

    function store(Order calldata order) external returns (uint256) {
        for (uint256 i = 0; i < order.lines.length; i++) count += order.lines[i].amount;
        return count;
    }

    // --- refusals

    function failWith(string calldata why) external pure {
        revert(why);
    }

    function failCustom(uint256 wanted) external view {
        revert OutOfStock(wanted, count, msg.sender);
    }

    function failTuple() external pure {
        revert BadOrder(Line(7, 2 ** 128), "spoiled");
    }

    function failPanic(uint256 a) external pure returns (uint256) {
        return 1 / a;
    }

    function failEmpty() external pure {
        revert();
    }

    function failRaw(bytes calldata data) external pure {
        assembly {
            calldatacopy(0, data.offset, data.length)
            revert(0, data.length)
        }
    }

    function cookOrFail(uint256 amount) external {
        require(amount < 100, "too much");
        count += amount;
    }

    // Gas that a caller cannot guess: used to see that a transaction may revert although its
    // simulation passed.
    function onlyFirst() external {
        require(count == 0, "late");
        count = 1;
    }
}
