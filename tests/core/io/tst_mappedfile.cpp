// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Files that are mapped or read, and what happens when they are cut, replaced, deleted or written meanwhile.
#include "core/io/mappedfile.h"
#include "core/model/model.h"
#include "support/safetensorsbuilder.h"

#include <QTest>

#include <atomic>
#include <csignal>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace ql;
using namespace ql::test;

namespace {

constexpr int kForeignFault = 42; ///< exit status of the handler that was there before ours

std::string codeOf(const Status& status)
{
    return status.ok() ? "" : std::string(codeName(status.error().code));
}

std::string pattern(size_t size)
{
    std::string text(size, '\0');
    for (size_t i = 0; i < size; ++i)
        text[i] = char('a' + (i * 7 + i / 4096) % 26);
    return text;
}

std::string readText(const ByteSource& source, uint64_t offset, size_t length)
{
    std::string text(length, '?');
    const Status status = source.read(offset, std::as_writable_bytes(std::span(text)));
    return status.ok() ? text : codeOf(status);
}

} // namespace

Q_DECLARE_METATYPE(ql::FileAccess)

class TestMappedFile : public QObject
{
    Q_OBJECT

    static void accesses()
    {
        QTest::addColumn<FileAccess>("access");
        QTest::newRow("mapped") << FileAccess::Map;
        QTest::newRow("read") << FileAccess::Read;
    }

private Q_SLOTS:
    void initTestCase()
    {
        struct sigaction before = {};
        before.sa_handler = [](int) { _exit(kForeignFault); };
        QVERIFY(sigaction(SIGBUS, &before, nullptr) == 0);
    }

    void givesTheBytes_data() { accesses(); }
    void givesTheBytes()
    {
        QFETCH(FileAccess, access);
        const Folder folder;
        const std::string content = pattern(100001);
        const auto source = openFile(folder.write("f", content), access);
        QVERIFY(source.ok());
        QCOMPARE((*source)->size(), uint64_t(content.size()));
        QCOMPARE((*source)->name(), folder.path("f"));
        QCOMPARE(readText(**source, 0, content.size()), content);
        QCOMPARE(readText(**source, 4095, 10), content.substr(4095, 10));
        QCOMPARE(readText(**source, content.size(), 0), std::string());
        QCOMPARE(readText(**source, content.size() - 1, 2), std::string("FileTruncated"));
        QCOMPARE(readText(**source, ~uint64_t(0), 2), std::string("FileTruncated"));
        QCOMPARE((*source)->view(0, 10).has_value(), access == FileAccess::Map);
        QVERIFY(!(*source)->view(content.size() - 1, 2));
        QVERIFY((*source)->checkUnchanged().ok());
        QVERIFY((*source)->modifiedNs() > 0);
    }

    void emptyFiles_data() { accesses(); }
    void emptyFiles()
    {
        QFETCH(FileAccess, access);
        const Folder folder;
        const auto source = openFile(folder.write("f", ""), access);
        QVERIFY(source.ok());
        QCOMPARE((*source)->size(), uint64_t(0));
        QCOMPARE(readText(**source, 0, 1), std::string("FileTruncated"));
    }

    void hugeFilesAreReadAtTheirEnd_data() { accesses(); }
    void hugeFilesAreReadAtTheirEnd()
    {
        QFETCH(FileAccess, access);
        const Folder folder;
        const std::string path = folder.write("f", "start");
        const off_t size = off_t(1) << 36; // 64 GiB, sparse
        if (truncate(path.c_str(), size) != 0)
            QSKIP("this file system cannot hold sparse files of 64 GB");
        const int descriptor = open(path.c_str(), O_WRONLY);
        QCOMPARE(pwrite(descriptor, "end", 3, size - 3), ssize_t(3));
        close(descriptor);
        const auto source = openFile(path, access);
        QVERIFY(source.ok());
        QCOMPARE(readText(**source, uint64_t(size) - 3, 3), std::string("end"));
        QCOMPARE(readText(**source, 0, 5), std::string("start"));
    }

    void refusesWhatIsNoFile_data()
    {
        QTest::addColumn<QString>("what");
        QTest::addColumn<QString>("code");
        QTest::newRow("missing") << "missing" << "FileNotFound";
        QTest::newRow("below a file") << "file/below" << "FileNotFound";
        QTest::newRow("folder") << "folder" << "CannotOpen";
        QTest::newRow("pipe nobody writes to") << "pipe" << "CannotOpen";
        QTest::newRow("device") << "/dev/zero" << "CannotOpen";
        QTest::newRow("broken link") << "link" << "FileNotFound";
        QTest::newRow("link to itself") << "loop" << "CannotOpen";
    }
    void refusesWhatIsNoFile()
    {
        QFETCH(QString, what);
        const Folder folder;
        folder.write("file", "x");
        QVERIFY(mkdir(folder.path("folder").c_str(), 0777) == 0);
        QVERIFY(mkfifo(folder.path("pipe").c_str(), 0666) == 0);
        QVERIFY(symlink("nowhere", folder.path("link").c_str()) == 0);
        QVERIFY(symlink("loop", folder.path("loop").c_str()) == 0);
        const auto source = openFile(what.startsWith('/') ? what.toStdString() : folder.path(what.toStdString()));
        QVERIFY(!source);
        QTEST(QString::fromStdString(std::string(codeName(source.error().code))), "code");
    }

    void noticesChanges_data()
    {
        QTest::addColumn<FileAccess>("access");
        QTest::addColumn<QString>("change");
        QTest::addColumn<QString>("code");
        for (const FileAccess access : {FileAccess::Map, FileAccess::Read}) {
            const QString how = access == FileAccess::Map ? "mapped, " : "read, ";
            for (const char* change : {"cut", "grown", "overwritten", "replaced", "deleted", "moved away"})
                QTest::newRow(qPrintable(how + change)) << access << change << "FileChanged";
            QTest::newRow(qPrintable(how + "permissions")) << access << "permissions" << "";
            QTest::newRow(qPrintable(how + "linked")) << access << "linked" << "";
        }
    }
    void noticesChanges()
    {
        QFETCH(FileAccess, access);
        QFETCH(QString, change);
        const Folder folder;
        const std::string path = folder.write("f", pattern(10000));
        // The clock of file times may stand still for some milliseconds.
        const timespec past[2] = {{1'000'000'000, 5}, {1'000'000'000, 5}};
        QVERIFY(utimensat(AT_FDCWD, path.c_str(), past, 0) == 0);
        const auto source = openFile(path, access);
        QVERIFY(source.ok());
        if (change == "cut")
            QVERIFY(truncate(path.c_str(), 9999) == 0);
        else if (change == "grown")
            QVERIFY(truncate(path.c_str(), 10001) == 0);
        else if (change == "overwritten")
            folder.write("f", pattern(10000));
        else if (change == "replaced")
            QVERIFY(rename(folder.write("g", pattern(10000)).c_str(), path.c_str()) == 0);
        else if (change == "deleted")
            QVERIFY(unlink(path.c_str()) == 0);
        else if (change == "moved away")
            QVERIFY(rename(path.c_str(), folder.path("g").c_str()) == 0);
        else if (change == "permissions")
            QVERIFY(chmod(path.c_str(), 0400) == 0);
        else
            QVERIFY(link(path.c_str(), folder.path("g").c_str()) == 0);
        QTEST(QString::fromStdString(codeOf((*source)->checkUnchanged())), "code");
    }

    /// The bytes of a deleted or replaced file stay readable: the inode lives on.
    void deletedFilesStillRead_data() { accesses(); }
    void deletedFilesStillRead()
    {
        QFETCH(FileAccess, access);
        const Folder folder;
        const std::string content = pattern(50000);
        const auto source = openFile(folder.write("f", content), access);
        QVERIFY(unlink(folder.path("f").c_str()) == 0);
        QCOMPARE(readText(**source, 0, content.size()), content);
    }

    void cutFilesFailTheirReaders_data() { accesses(); }
    void cutFilesFailTheirReaders()
    {
        QFETCH(FileAccess, access);
        const Folder folder;
        const std::string content = pattern(64 * 4096);
        const auto source = openFile(folder.write("f", content), access);
        const auto view = (*source)->view(0, content.size());
        QVERIFY(truncate(folder.path("f").c_str(), 3 * 4096) == 0);
        QCOMPARE(readText(**source, 10 * 4096, 100), std::string("FileTruncated"));
        QCOMPARE(codeOf((*source)->checkUnchanged()), std::string("FileChanged"));
        if (view) {
            QCOMPARE(char((*view)[40 * 4096]), '\0');
            QVERIFY(!(*source)->view(0, 10));
            QCOMPARE(readText(**source, 0, 10), std::string("FileTruncated"));
        }
    }

    void tensorsOfACutFileFail_data() { accesses(); }
    void tensorsOfACutFileFail()
    {
        QFETCH(FileAccess, access);
        const Folder folder;
        const std::string path = folder.write("m.safetensors", vectorsFile({{"a", 100000}, {"b", 100000}}));
        const auto model = Model::open(path, access);
        QVERIFY(model.ok());
        QVERIFY(truncate(path.c_str(), 300000) == 0);
        std::vector<float> values(100000);
        const auto view = (*model)->view((*model)->indexOf("b"));
        QCOMPARE(codeOf(view->readFlat(0, 100000, values.data())), std::string("FileTruncated"));
        QCOMPARE(codeOf((*model)->checkUnchanged()), std::string("FileChanged"));
    }

    /// Readers on several threads while the file is cut under them, again and again.
    void cutWhileManyRead()
    {
        for (int round = 0; round < 20; ++round) {
            const Folder folder;
            const std::string content = pattern(512 * 4096);
            const std::string path = folder.write("f", content);
            const auto source = openFile(path);
            std::atomic<bool> go = false;
            std::atomic<int> wrong = 0;
            std::vector<std::thread> readers;
            for (int t = 0; t < 3; ++t) {
                readers.emplace_back([&] {
                    std::string text(content.size(), '?');
                    while (!go)
                        std::this_thread::yield();
                    for (int i = 0; i < 20; ++i) {
                        const Status status = (*source)->read(0, std::as_writable_bytes(std::span(text)));
                        if (status.ok() && text != content)
                            ++wrong;
                        if (!status.ok() && status.error().code != ErrorCode::FileTruncated)
                            ++wrong;
                    }
                });
            }
            go = true;
            QVERIFY(truncate(path.c_str(), 4096 * (round + 1)) == 0);
            for (auto& reader : readers)
                reader.join();
            QCOMPARE(wrong.load(), 0);
        }
    }

    /// A fault that has nothing to do with our files still reaches whoever handled faults before us.
    void foreignFaultsAreHandedOn()
    {
        const Folder folder;
        const auto mine = openFile(folder.write("mine", pattern(8192)));
        const std::string foreign = folder.write("foreign", pattern(8192));
        const pid_t child = fork();
        if (child == 0) {
            const int descriptor = open(foreign.c_str(), O_RDWR);
            const auto* bytes = static_cast<char*>(mmap(nullptr, 8192, PROT_READ, MAP_SHARED, descriptor, 0));
            if (ftruncate(descriptor, 0) != 0)
                _exit(1);
            const volatile char* gone = bytes + 5000;
            _exit(*gone == 0 ? 2 : 3);
        }
        int status = 0;
        QVERIFY(waitpid(child, &status, 0) == child);
        QVERIFY(WIFEXITED(status));
        QCOMPARE(WEXITSTATUS(status), kForeignFault);
        QCOMPARE(readText(**mine, 0, 8192), pattern(8192));
    }

    void manyFilesAtOnce()
    {
        const Folder folder;
        const std::string path = folder.write("f", pattern(5000));
        std::vector<std::shared_ptr<const ByteSource>> sources;
        for (int i = 0; i < 3000; ++i) {
            const auto source = openFile(path);
            QVERIFY(source.ok());
            sources.push_back(*source);
        }
        QCOMPARE(readText(*sources.back(), 4999, 1), pattern(5000).substr(4999));
    }
};

QTEST_GUILESS_MAIN(TestMappedFile)
#include "tst_mappedfile.moc"
