using LayerSteer.Formats;
using Xunit;
using static LayerSteer.Tests.Formats.PickleBytes;
using static LayerSteer.Tests.Formats.TempFolder;

namespace LayerSteer.Tests.Formats;

public class TorchReaderTests
{
    private const string Name = "evil.pt";

    private static byte[] Six { get; } = Floats(1, 2, 3, 4, 5, 6);

    private static byte[] SixStorage { get; } = Storage("0", "FloatStorage", 6);

    [Fact]
    public void Nested_dicts_lists_and_shared_storages_become_names_joined_by_dots()
    {
        using var folder = new TempFolder();
        byte[] pickle = Pickle(Dict(
            ("state_dict", Dict(
                ("a.weight", Tensor(SixStorage, 0, [2, 3], [3, 1])),
                ("b", Tensor(SixStorage, 0, [3, 2], [1, 3])))),
            ("last", Tensor(SixStorage, 5, [], [])),
            ("list", Concat(Ascii("]("), Int(5), [(byte)'G', 0x3F, 0xE0, 0, 0, 0, 0, 0, 0], [0x88], [(byte)'e'])),
            ("none", Ascii("N")),
            ("dtype", Global("torch", "float32")),
            ("minus", Concat([(byte)'J'], U32(-3)))));
        using TensorFile file = TensorFile.Open(folder.Write("ok.pt", Archive(pickle, ("0", Six))));
        Assert.Equal(["state_dict.a.weight", "state_dict.b", "last"], file.Tensors.Keys);
        Assert.Equal([1f, 2, 3, 4, 5, 6], file["state_dict.a.weight"].ToFloats());
        Assert.Equal([1f, 4, 2, 5, 3, 6], file["state_dict.b"].ToFloats());
        Assert.Equal([6f], file["last"].ToFloats());
        Assert.Equal(["list.0", "list.1", "list.2", "dtype", "minus"], file.Values.Keys);
        Assert.Equal([5L, 0.5, true, "torch.float32", -3L], file.Values.Values);
    }

    [Fact]
    public void A_lone_tensor_and_a_parameter_have_numpys_name()
    {
        using var folder = new TempFolder();
        byte[] tensor = Tensor(Storage("0", "FloatStorage", 6, "cuda:0"), 0, [6], [1]);
        byte[] parameter = Concat(
            Global("torch._utils", "_rebuild_parameter"), Tuple(tensor, [0x88], Hooks), Ascii("R"));
        foreach (byte[] root in new[] { tensor, parameter })
        {
            using TensorFile file = TensorFile.Open(folder.Write("ok.pt", Archive(Pickle(root), ("0", Six))));
            Assert.Equal([1f, 2, 3, 4, 5, 6], file[TensorFile.Unnamed].ToFloats());
        }
    }

    [Fact]
    public void Bytes_are_read_as_strings_in_every_protocol()
    {
        using var folder = new TempFolder();
        byte[] pickle = Pickle(Dict(
            ("two", Concat(Global("_codecs", "encode"), Tuple(Unicode("TopK"), Unicode("latin1")), Ascii("R"))),
            ("python2", Concat([(byte)'U', 4], Ascii("TopK"))),
            ("three", Concat([(byte)'C', 4], Ascii("TopK")))));
        using TensorFile file = TensorFile.Open(folder.Write("ok.pt", Archive(pickle)));
        Assert.Equal(["TopK", "TopK", "TopK"], file.Values.Values);
    }

    [Fact]
    public void Protocol_4_is_tolerated()
    {
        using var folder = new TempFolder();
        byte[] Short(string text) => Concat([0x8C, (byte)text.Length], Ascii(text));
        byte[] pickle = Concat(
            [0x80, 4, 0x95], U64(0), Short("collections"), [0x94], Short("OrderedDict"), [0x94, 0x93, 0x94],
            Ascii(")R"), Short("k"), Int(7), Ascii("s."));
        using TensorFile file = TensorFile.Open(folder.Write("ok.pt", Archive(pickle)));
        Assert.Equal(7L, file.Values["k"]);
    }

    [Fact]
    public void The_older_form_reads_all_types_shared_storages_views_and_device_tags()
    {
        using var folder = new TempFolder();
        byte[] view = Concat(
            Tuple(
                Unicode("storage"), Global("torch", "FloatStorage"), Unicode("a"), Unicode("cuda:0"), Int(6),
                Tuple(Unicode("v"), Int(2), Int(3))),
            Ascii("Q"));
        byte[] Whole(string key, string type, long length) => Concat(
            Tuple(Unicode("storage"), Global("torch", type), Unicode(key), Unicode("cuda:0"), Int(length), Ascii("N")),
            Ascii("Q"));
        byte[] root = Pickle(Dict(
            ("x", Tensor(Whole("a", "FloatStorage", 6), 2, [2, 2], [2, 1])),
            ("y", Tensor(Whole("a", "FloatStorage", 6), 0, [3], [2])),
            ("view", Tensor(view, 1, [2], [1])),
            ("half", Tensor(Whole("b", "HalfStorage", 2), 0, [2], [1])),
            ("brain", Tensor(Whole("c", "BFloat16Storage", 1), 0, [1], [1]))));
        byte[] bytes = Legacy(root, ("a", 6, Six), ("c", 1, [0xC0, 0x3F]), ("b", 2, [0, 0x3C, 0, 0xC0]));
        using TensorFile file = TensorFile.Open(folder.Write("old.pt", bytes));
        Assert.Equal([3f, 4, 5, 6], file["x"].ToFloats());
        Assert.Equal([1f, 3, 5], file["y"].ToFloats());
        Assert.Equal([4f, 5], file["view"].ToFloats());
        Assert.Equal([1f, -2], file["half"].ToFloats());
        Assert.Equal([1.5f], file["brain"].ToFloats());
        Assert.Equal(TensorType.BF16, file["brain"].Type);
    }

    public static TheoryData<string, byte[]> HostilePickles => new()
    {
        {
            "names the function 'posix.system'; only tensors can be loaded",
            Pickle(Global("posix", "system"), Tuple(Unicode("id")), Ascii("R"))
        },
        {
            "names the function 'posix.system'; only tensors can be loaded",
            Pickle(Unicode("posix"), Unicode("system"), [0x93], Tuple(Unicode("id")), Ascii("R"))
        },
        {
            "names the function '?.system'; only tensors can be loaded",
            Pickle(Int(3), Unicode("system"), [0x93])
        },
        {
            "names the function 'torch.hub.load'; only tensors can be loaded",
            Pickle(Global("torch.hub", "load"))
        },
        {
            "names the function 'collections OrderedDict.x'; only tensors can be loaded",
            Pickle(Global("collections OrderedDict", "x"))
        },
        { "has a global name without an end", Pickle(Ascii("c" + new string('a', 300) + "\nb\n")) },
        {
            "uses the opcode NEWOBJ at byte 28; only tensors and plain values can be loaded",
            Pickle(Global("collections", "OrderedDict"), Ascii(")"), [0x81])
        },
        {
            "uses the opcode INST at byte 3; only tensors and plain values can be loaded",
            Pickle(Ascii("("), Ascii("iposix\nsystem\n"))
        },
        { "uses the opcode OBJ at byte 2; only tensors and plain values can be loaded", Pickle(Ascii("o")) },
        { "uses the opcode EXT1 at byte 2; only tensors and plain values can be loaded", Pickle([0x82, 1]) },
        { "uses the opcode 0xFF at byte 2; only tensors and plain values can be loaded", Pickle([0xFF]) },
        { "calls something that is not a known name with a tuple", Pickle(Unicode("x"), Ascii(")R")) },
        {
            "calls collections.OrderedDict with arguments that do not fit it",
            Pickle(Global("collections", "OrderedDict"), Tuple(Int(1)), Ascii("R"))
        },
        { "calls torch.float32 with arguments that do not fit it", Pickle(Global("torch", "float32"), Ascii(")R")) },
        {
            "calls torch._utils._rebuild_tensor_v2 with arguments that do not fit it",
            Pickle(Global("torch._utils", "_rebuild_tensor_v2"), Ascii(")R"))
        },
        {
            "calls _codecs.encode with arguments that do not fit it",
            Pickle(Global("_codecs", "encode"), Tuple(Unicode("a"), Unicode("zip")), Ascii("R"))
        },
        {
            "sets the state of an object (BUILD); only the _metadata of an OrderedDict is accepted",
            Pickle(Ascii("}}b"))
        },
        {
            "sets the state of an object (BUILD); only the _metadata of an OrderedDict is accepted",
            Pickle(Hooks, Ascii("}"), Unicode("__class__"), Ascii("Nsb"))
        },
        { "has a persistent id that is not a storage", Pickle(Tuple(Unicode("module"), Unicode("x")), Ascii("Q")) },
        { "has a persistent id that is not a storage", Pickle(Storage("0", "FloatStorage", -1)) },
        { "has a dict key that is neither a string nor an integer", Pickle(Ascii("}NNs")) },
        { "has a dict with two keys a", Pickle(Dict(("a", Int(1)), ("a", Int(2)))) },
        { "sets items of something that is not a dict", Pickle(Ascii("]"), Int(1), Int(1), Ascii("s")) },
        { "appends to something that is not a list", Pickle(Ascii("}"), Int(1), Ascii("a")) },
        { "takes a value from an empty stack", Pickle(Ascii("R")) },
        { "takes a value from an empty stack", Pickle(Ascii("(R")) },
        { "takes a value from an empty stack", Pickle(Ascii("(("), [0x85]) },
        { "takes a value from an empty stack", Pickle([(byte)'q', 1]) },
        { "has no mark where it needs one", Pickle(Ascii("t")) },
        { "leaves 1 values on its stack", Pickle(Int(1), Int(2)) },
        { "recalls value 9, which it never stored", Pickle([(byte)'h', 9]) },
        { "recalls value 4294967295, which it never stored", Pickle([(byte)'j'], U32(uint.MaxValue)) },
        { "is cut short", [0x80, 2, (byte)'X', 255, 255, 255, 255] },
        { "is cut short", [0x80, 2] },
        { "has protocol 9, 0 to 5 can be read", [0x80, 9] },
        { "has an integer of 200 bytes, at most 8 are read", Pickle([0x8A, 200], new byte[200]) },
        { "has a string that is not UTF-8", Pickle([(byte)'X', 1, 0, 0, 0, 255]) },
        {
            "has a tensor of 17 dimensions, at most 16 are read",
            Pickle(Tensor(SixStorage, 0, new long[17], new long[17]))
        },
        {
            "has a tensor size that is not an integer",
            Pickle(
                Global("torch._utils", "_rebuild_tensor"),
                Tuple(SixStorage, Int(0), Tuple(Unicode("a")), Ascii(")")),
                Ascii("R"))
        },
        {
            "names the storage 0 with two types or lengths",
            Pickle(Tuple(SixStorage, Storage("0", "LongStorage", 3)))
        },
        { "holds what is neither a tensor nor a plain value at 'a'", Pickle(Dict(("a", SixStorage))) },
    };

    [Theory]
    [MemberData(nameof(HostilePickles))]
    public void Pickles_that_are_not_plain_data_are_refused(string message, byte[] pickle)
    {
        using var folder = new TempFolder();
        Assert.Equal(
            $"'evil.pt': the pickle {message}",
            folder.Refusal<InvalidDataException>(Name, Archive(pickle, ("0", Six))));
    }

    public static TheoryData<string, long, long[], long[]> HostileViews => new()
    {
        { "tensor x of shape [7] with offset 0 and strides [1] reaches beyond storage 0 of 6 elements", 0, [7], [1] },
        { "tensor x of shape [] with offset 6 and strides [] reaches beyond storage 0 of 6 elements", 6, [], [] },
        { "tensor x of shape [0] with offset 7 and strides [1] reaches beyond storage 0 of 6 elements", 7, [0], [1] },
        {
            "tensor x of shape [2, 3] with offset 1 and strides [3, 1] reaches beyond storage 0 of 6 elements",
            1,
            [2, 3],
            [3, 1]
        },
        {
            "tensor x of shape [3, 3] with offset 0 and strides [4611686018427387904, 4611686018427387904] " +
            "reaches beyond storage 0 of 6 elements",
            0,
            [3, 3],
            [1L << 62, 1L << 62]
        },
        { "tensor x of shape [-1] has an impossible size", 0, [-1], [1] },
        { "tensor x of shape [1099511627776] has an impossible size", 0, [1L << 40], [0] },
        {
            "tensor x of shape [1099511627775, 1099511627775] has an impossible size",
            0,
            [(1L << 40) - 1, (1L << 40) - 1],
            [0, 0]
        },
        { "tensor x of shape [2] has a negative offset or stride", -1, [2], [1] },
        { "tensor x of shape [2] has a negative offset or stride", 3, [2], [-1] },
        { "tensor x of shape [2] has 2 strides", 0, [2], [1, 1] },
    };

    [Theory]
    [MemberData(nameof(HostileViews))]
    public void Views_that_leave_their_storage_are_refused(string message, long offset, long[] shape, long[] strides)
    {
        using var folder = new TempFolder();
        byte[] pickle = Pickle(Dict(("x", Tensor(SixStorage, offset, shape, strides))));
        Assert.Equal(
            $"'evil.pt': {message}", folder.Refusal<InvalidDataException>(Name, Archive(pickle, ("0", Six))));
    }

    [Fact]
    public void A_view_that_repeats_its_elements_is_refused()
    {
        using var folder = new TempFolder();
        byte[] pickle = Pickle(Dict(("x", Tensor(SixStorage, 0, [1L << 39], [0]))));
        Assert.Equal(
            "'evil.pt': tensor x of shape [549755813888] repeats the 6 elements of its storage; " +
            "save a contiguous copy instead",
            folder.Refusal<NotSupportedException>(Name, Archive(pickle, ("0", Six))));
    }

    [Fact]
    public void Storages_that_are_missing_or_of_another_size_are_refused()
    {
        using var folder = new TempFolder();
        byte[] pickle = Pickle(Dict(("x", Tensor(SixStorage, 0, [6], [1]))));
        Assert.Equal(
            "'evil.pt': the pickle names the storage 0, which the archive does not have",
            folder.Refusal<InvalidDataException>(Name, Archive(pickle, ("1", Six))));
        Assert.Equal(
            "'evil.pt': storage 0 of 6 F32 elements takes 24 bytes, but the archive has 20",
            folder.Refusal<InvalidDataException>(Name, Archive(pickle, ("0", Six[..20]))));
        Assert.Equal(
            "'evil.pt': storage 0 of 6 F32 elements takes 24 bytes, but the archive has 28",
            folder.Refusal<InvalidDataException>(Name, Archive(pickle, ("0", [.. Six, 0, 0, 0, 0]))));
    }

    [Fact]
    public void Names_that_collide_after_joining_are_refused()
    {
        using var folder = new TempFolder();
        byte[] pickle = Pickle(Dict(("a.b", Int(1)), ("a", Dict(("b", Tensor(SixStorage, 0, [6], [1]))))));
        Assert.Equal(
            "'evil.pt': the name a.b occurs twice",
            folder.Refusal<InvalidDataException>(Name, Archive(pickle, ("0", Six))));
    }

    [Fact]
    public void A_dict_that_holds_itself_is_refused()
    {
        using var folder = new TempFolder();
        byte[] pickle = Pickle(Ascii("}q\u0001"), Unicode("a"), Ascii("h\u0001s"));
        Assert.Equal(
            $"'evil.pt': the pickle nests more than 32 levels at 'a{string.Concat(Enumerable.Repeat(".a", 31))}'",
            folder.Refusal<InvalidDataException>(Name, Archive(pickle)));
    }

    [Fact]
    public void A_dict_whose_parts_double_at_every_level_is_refused()
    {
        using var folder = new TempFolder();
        byte[] level = Ascii("}q\u0001");
        for (int i = 0; i < 30; i++)
        {
            level = Concat(level, Ascii("}("), Unicode("a"), Ascii("h\u0001"), Unicode("b"), Ascii("h\u0001uq\u0001"));
        }

        // Each level is built above the one below; only the last is kept, in a list of all of them.
        byte[] pickle = Pickle(Ascii("]("), level, Ascii("e"));
        Assert.Equal(
            "'evil.pt': the pickle holds more than 65536 dicts, lists and tuples, repeats counted",
            folder.Refusal<InvalidDataException>(Name, Archive(pickle)));
    }

    [Fact]
    public void Very_many_containers_or_opcodes_are_refused()
    {
        using var folder = new TempFolder();
        Assert.Equal(
            "'evil.pt': the pickle makes more than 524288 dicts, lists, tuples and tensors",
            folder.Refusal<InvalidDataException>(Name, Archive(Ascii(new string('}', 600_000)))));
        Assert.Equal(
            "'evil.pt': the pickle has more than 4194304 opcodes",
            folder.Refusal<InvalidDataException>(Name, Archive(Ascii(new string('N', 4_300_000)))));
    }

    [Fact]
    public void Very_long_names_are_refused()
    {
        using var folder = new TempFolder();
        byte[] pickle = Pickle(Dict((new string('n', 4096), Int(1))));
        Assert.Equal(
            $"'evil.pt': the name {new string('n', 100)}... is longer than 4096 characters",
            folder.Refusal<InvalidDataException>(Name, Archive(pickle)));
    }

    [Fact]
    public void Archives_that_are_not_plain_tensors_are_named()
    {
        using var folder = new TempFolder();
        byte[] pickle = Pickle(Dict());
        Assert.Equal(
            "'evil.pt': it is a TorchScript program; save the state dict with torch.save instead",
            folder.Refusal<NotSupportedException>(
                Name, ZipBytes.Build(new ZipPart("a/data.pkl", pickle), new ZipPart("a/constants.pkl", pickle))));
        Assert.Equal(
            "'evil.pt': its storages are not little-endian",
            folder.Refusal<NotSupportedException>(
                Name, ZipBytes.Build(new ZipPart("a/data.pkl", pickle), new ZipPart("a/byteorder", Ascii("big")))));
        Assert.Equal(
            "'evil.pt': a torch archive has one top folder with one data.pkl",
            folder.Refusal<InvalidDataException>(
                Name, ZipBytes.Build(new ZipPart("a/data.pkl", pickle), new ZipPart("b/data.pkl", pickle))));
        Assert.Equal(
            "'evil.pt': 3 bytes follow the pickle in data.pkl",
            folder.Refusal<InvalidDataException>(Name, Archive([.. pickle, 1, 2, 3])));
        byte[] tar = new byte[1024];
        Ascii("ustar").CopyTo(tar, 257);
        Assert.Equal(
            "'evil.pt': it is a tar archive, as torch before 0.1.10 wrote; save it again with a newer torch",
            folder.Refusal<NotSupportedException>(Name, tar));
        Assert.Equal(
            "'evil.pt': it is a plain pickle, not written by torch.save; only tensors can be loaded",
            folder.Refusal<NotSupportedException>(Name, pickle));
    }

    [Fact]
    public void The_older_form_is_checked_against_the_file_too()
    {
        using var folder = new TempFolder();
        byte[] root = Pickle(Dict(("x", Tensor(SixStorage, 0, [6], [1]))));
        byte[] good = Legacy(root, ("0", 6, Six));
        byte[] other = (byte[])good.Clone();
        other[^32] = 5;
        Assert.Equal(
            "'evil.pt': storage 0 holds 5 elements, but the pickle says 6",
            folder.Refusal<InvalidDataException>(Name, other));
        Assert.Equal(
            "'evil.pt': storage 0 of 6 F32 elements takes 24 bytes, but 20 are left",
            folder.Refusal<InvalidDataException>(Name, good[..^4]));
        Assert.Equal(
            "'evil.pt': 1 bytes follow the last storage", folder.Refusal<InvalidDataException>(Name, [.. good, 0]));
        Assert.Equal(
            "'evil.pt': the pickle names the storage 0, which the file does not have",
            folder.Refusal<InvalidDataException>(Name, Legacy(root)));
        Assert.Equal(
            "'evil.pt': the list of storage keys names a storage that belongs to no tensor",
            folder.Refusal<InvalidDataException>(Name, Legacy(root, ("0", 6, Six), ("1", 0, []))));
        Assert.Equal(
            "'evil.pt': the storage 0 is listed twice",
            folder.Refusal<InvalidDataException>(Name, Legacy(root, ("0", 6, Six), ("0", 6, Six))));
        byte[] big = Concat(
            good[..15], Pickle(Int(1001)), Pickle(Concat([(byte)'}'], Unicode("little_endian"), [0x89, (byte)'s'])));
        Assert.Equal(
            "'evil.pt': its storages are not little-endian", folder.Refusal<NotSupportedException>(Name, big));
        Assert.Equal(
            "'evil.pt': its torch protocol is not 1001",
            folder.Refusal<NotSupportedException>(Name, Concat(good[..15], Pickle(Int(7)))));
    }
}
