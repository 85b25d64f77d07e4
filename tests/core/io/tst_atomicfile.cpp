// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Saving whole or not at all: links, full disks, killed writers, leftovers.
#include "core/io/atomicfile.h"
#include "support/safetensorsbuilder.h"

#include <QTest>

#include <csignal>
#include <fcntl.h>
#include <random>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace ql;
using namespace ql::test;

namespace {

std::string codeOf(const Status& status)
{
    return status.ok() ? "" : std::string(codeName(status.error().code));
}

template <class T>
std::string codeOf(const Result<T>& result)
{
    return result.ok() ? "" : std::string(codeName(result.error().code));
}

/// Runs in a child process and gives its exit status, or -1 when a signal ended it.
template <class Work>
int inChild(Work work)
{
    const pid_t child = fork();
    if (child == 0)
        _exit(work());
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

} // namespace

class TestAtomicFile : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void writesAndReplaces()
    {
        const Folder folder;
        const std::string path = folder.path("out.txt");
        QCOMPARE(codeOf(writeFileAtomically(path, "first")), std::string());
        QCOMPARE(folder.read("out.txt"), std::string("first"));
        auto file = AtomicFile::create(path);
        QVERIFY(file.ok());
        QVERIFY(file->write("sec").ok() && file->write("ond").ok());
        QCOMPARE(file->position(), uint64_t(6));
        QCOMPARE(folder.read("out.txt"), std::string("first"));
        QVERIFY(file->commit().ok());
        QCOMPARE(folder.read("out.txt"), std::string("second"));
        QCOMPARE(folder.entries(), QStringList("out.txt"));
        QCOMPARE(codeOf(file->write("more")), std::string("CannotWrite"));
        QCOMPARE(codeOf(file->commit()), std::string("CannotWrite"));
    }

    void relativeNamesWork()
    {
        const Folder folder;
        const QString before = QDir::currentPath();
        QVERIFY(QDir::setCurrent(QString::fromStdString(folder.path())));
        const std::string code = codeOf(writeFileAtomically("plain.txt", "x"));
        QDir::setCurrent(before);
        QCOMPARE(code, std::string());
        QCOMPARE(folder.read("plain.txt"), std::string("x"));
    }

    void abandonedFilesVanish()
    {
        const Folder folder;
        {
            auto file = AtomicFile::create(folder.path("out"));
            QVERIFY(file->write("half").ok());
            QCOMPARE(folder.entries().size(), 1);
            AtomicFile moved = std::move(*file);
            QVERIFY(moved.write("way").ok());
        }
        QVERIFY(folder.entries().isEmpty());
    }

    void refusesItsSources_data()
    {
        QTest::addColumn<QString>("target");
        QTest::newRow("same path") << "model";
        QTest::newRow("path with dots") << "folder/../model";
        QTest::newRow("symbolic link") << "symbolic";
        QTest::newRow("link to a link") << "chain";
        QTest::newRow("hard link") << "hard";
        QTest::newRow("through a linked folder") << "elsewhere/model";
    }
    void refusesItsSources()
    {
        QFETCH(QString, target);
        const Folder folder;
        const std::string source = folder.write("model", "precious");
        QVERIFY(mkdir(folder.path("folder").c_str(), 0777) == 0);
        QVERIFY(symlink("model", folder.path("symbolic").c_str()) == 0);
        QVERIFY(symlink("symbolic", folder.path("chain").c_str()) == 0);
        QVERIFY(symlink(".", folder.path("elsewhere").c_str()) == 0);
        QVERIFY(link(source.c_str(), folder.path("hard").c_str()) == 0);
        const std::string path = folder.path(target.toStdString());
        const auto file = AtomicFile::create(path, {folder.write("other", "x"), source});
        QCOMPARE(codeOf(file), std::string("TargetIsSource"));
        QCOMPARE(folder.read("model"), std::string("precious"));
        // The source may itself be given through a link.
        QCOMPARE(codeOf(AtomicFile::create(source, {path})), std::string("TargetIsSource"));
    }

    void keepsLinksAndPermissions()
    {
        const Folder folder;
        folder.write("real", "old");
        QVERIFY(chmod(folder.path("real").c_str(), 0640) == 0);
        QVERIFY(symlink("real", folder.path("link").c_str()) == 0);
        QCOMPARE(codeOf(writeFileAtomically(folder.path("link"), "new")), std::string());
        QCOMPARE(folder.read("real"), std::string("new"));
        struct stat info = {};
        QVERIFY(lstat(folder.path("link").c_str(), &info) == 0 && S_ISLNK(info.st_mode));
        QVERIFY(stat(folder.path("real").c_str(), &info) == 0);
        QCOMPARE(info.st_mode & 0777, mode_t(0640));
    }

    void refusesTargetsThatCannotBe_data()
    {
        QTest::addColumn<QString>("target");
        QTest::newRow("folder") << "folder";
        QTest::newRow("folder with a slash") << "folder/";
        QTest::newRow("missing folder") << "missing/out";
        QTest::newRow("below a file") << "file/out";
        QTest::newRow("device") << "/dev/full";
        QTest::newRow("empty name") << "";
        QTest::newRow("name too long") << QString(300, 'n');
    }
    void refusesTargetsThatCannotBe()
    {
        QFETCH(QString, target);
        const Folder folder;
        folder.write("file", "x");
        QVERIFY(mkdir(folder.path("folder").c_str(), 0777) == 0);
        const std::string name = target.toStdString();
        const std::string path = name.starts_with('/') || name.empty() ? name : folder.path(name);
        QCOMPARE(codeOf(writeFileAtomically(path, "text")), std::string("CannotWrite"));
        QCOMPARE(folder.entries(), QStringList({"file", "folder"}));
    }

    void longNamesFit()
    {
        const Folder folder;
        const std::string name(255, 'n');
        QCOMPARE(codeOf(writeFileAtomically(folder.path(name), "x")), std::string());
        QCOMPARE(folder.entries().size(), 1);
    }

    void readOnlyFolderIsRefused()
    {
        const Folder folder;
        QVERIFY(chmod(folder.path().c_str(), 0555) == 0);
        // Root may write anywhere, so the child gives that up first.
        const int result = inChild([&] {
            if (getuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
                return 2;
            return codeOf(writeFileAtomically(folder.path("out"), "x")) == "CannotWrite" ? 0 : 1;
        });
        QVERIFY(chmod(folder.path().c_str(), 0755) == 0);
        QCOMPARE(result, 0);
        QVERIFY(folder.entries().isEmpty());
    }

    void tooLittleSpaceIsKnownBefore()
    {
        const Folder folder;
        QCOMPARE(codeOf(AtomicFile::create(folder.path("out"), {}, uint64_t(1) << 60)), std::string("DiskFull"));
        QVERIFY(folder.entries().isEmpty());
    }

    void fileSizeLimitKeepsTheOldFile()
    {
        const Folder folder;
        folder.write("out", "old");
        const int result = inChild([&] {
            signal(SIGXFSZ, SIG_IGN);
            const rlimit limit{100000, 100000};
            setrlimit(RLIMIT_FSIZE, &limit);
            auto file = AtomicFile::create(folder.path("out"));
            const std::string block(64000, 'x');
            if (!file || !file->write(block).ok())
                return 1;
            if (codeOf(file->write(block)) != "CannotWrite" || codeOf(file->write("a")) != "CannotWrite")
                return 2;
            return codeOf(file->commit()) == "CannotWrite" ? 0 : 3;
        });
        QCOMPARE(result, 0);
        QCOMPARE(folder.read("out"), std::string("old"));
    }

    void fullDiskKeepsTheOldFile()
    {
        const Folder folder;
        if (mount("tmpfs", folder.path().c_str(), "tmpfs", 0, "size=1m") != 0)
            QSKIP("mounting a small disk needs more rights; the size limit above covers failing writes");
        folder.write("out", "old");
        std::string code;
        {
            auto file = AtomicFile::create(folder.path("out"));
            Status status;
            for (int i = 0; i < 40 && status.ok(); ++i)
                status = file->write(std::string(64000, 'x'));
            code = codeOf(status) + " " + codeOf(file->commit());
        }
        const std::string content = folder.read("out");
        const auto entries = folder.entries();
        umount(folder.path().c_str());
        QCOMPARE(code, std::string("DiskFull DiskFull"));
        QCOMPARE(content, std::string("old"));
        QCOMPARE(entries, QStringList("out"));
    }

    void verificationDecides()
    {
        const Folder folder;
        folder.write("out", "old");
        for (const ErrorCode code : {ErrorCode::InvalidOffset, ErrorCode::Cancelled}) {
            auto file = AtomicFile::create(folder.path("out"));
            QVERIFY(file->write("new").ok());
            std::string seen;
            const Status status = file->commit([&](const std::string& temporary) -> Status {
                seen = readWholeFile(temporary, 100).value();
                return Error{code, "no good", temporary};
            });
            QCOMPARE(seen, std::string("new"));
            QCOMPARE(codeOf(status), std::string(code == ErrorCode::Cancelled ? "Cancelled" : "VerifyFailed"));
            QCOMPARE(folder.read("out"), std::string("old"));
        }
        QCOMPARE(folder.entries(), QStringList("out"));
    }

    /// Fifty writers killed at random moments: the old file whole, or the new one whole, never anything else.
    void killedWritersLeaveWholeFiles()
    {
        const Folder folder;
        const std::string path = folder.path("out");
        std::string expected(300000, 'a');
        QVERIFY(writeFileAtomically(path, expected).ok());
        std::mt19937 random(3);
        int killed = 0;
        for (int round = 0; round < 50; ++round) {
            const std::string next(300000 + size_t(round), char('b' + round % 20));
            const pid_t child = fork();
            if (child == 0) {
                auto file = AtomicFile::create(path);
                for (size_t at = 0; at < next.size(); at += 10000)
                    (void)file->write(std::string_view(next).substr(at, 10000));
                (void)file->commit();
                _exit(0);
            }
            usleep(useconds_t(random() % 20000));
            kill(child, SIGKILL);
            int status = 0;
            waitpid(child, &status, 0);
            killed += WIFSIGNALED(status);
            const std::string found = folder.read("out");
            QVERIFY2(found == expected || found == next, qPrintable(QString("%1 bytes").arg(found.size())));
            expected = found;
        }
        const auto left = folder.entries().size() - 1;
        qInfo("%d of 50 writers were killed, %d leftovers", killed, int(left));
        QCOMPARE(AtomicFile::sweep(folder.path()), int(left));
        QCOMPARE(folder.entries(), QStringList("out"));
    }

    void sweepSparesTheLivingAndTheForeign()
    {
        const Folder folder;
        auto living = AtomicFile::create(folder.path("out"));
        QVERIFY(living.ok());
        folder.write(".gone.quantloupe-abc123.part", "left behind");
        folder.write("visible.quantloupe-abc123.part", "not ours");
        folder.write(".other.part", "not ours");
        QVERIFY(symlink("visible.quantloupe-abc123.part", folder.path(".link.quantloupe-abc123.part").c_str()) == 0);
        QVERIFY(mkdir(folder.path(".dir.quantloupe-abc123.part").c_str(), 0777) == 0);
        folder.write(".dir.quantloupe-abc123.part/config.json", "left behind, too");
        QCOMPARE(AtomicFile::sweep(folder.path()), 2);
        QCOMPARE(folder.entries().size(), 4);
        QVERIFY(living->write("alive").ok());
        QCOMPARE(codeOf(living->commit()), std::string());
        QCOMPARE(folder.read("out"), std::string("alive"));
        QCOMPARE(AtomicFile::sweep(folder.path("no such folder")), 0);
    }

    void wholeFilesAreBounded()
    {
        const Folder folder;
        const std::string path = folder.write("f", "12345");
        QCOMPARE(readWholeFile(path, 5).value(), std::string("12345"));
        QCOMPARE(codeOf(readWholeFile(path, 4)), std::string("JsonTooLarge"));
        QCOMPARE(codeOf(readWholeFile(folder.path("missing"), 4)), std::string("FileNotFound"));
        QCOMPARE(codeOf(readWholeFile(folder.path(), 4)), std::string("CannotOpen"));
    }
};

QTEST_GUILESS_MAIN(TestAtomicFile)
#include "tst_atomicfile.moc"
