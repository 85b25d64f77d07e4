// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Checkpoint folders as a whole: shards and their index, parts by several processes, and that a folder is whole or not
// there, whatever happens to the process or the disk.
#include "core/compute/cpubackend.h"
#include "core/export/exporter.h"
#include "core/export/exportnote.h"
#include "core/io/atomicfile.h"
#include "core/io/atomicfolder.h"
#include "core/io/json.h"
#include "support/testmodels.h"

#include <QElapsedTimer>
#include <QTemporaryDir>
#include <QTest>

#include <csignal>
#include <filesystem>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace ql;
namespace fs = std::filesystem;

namespace {

constexpr char kConfig[] = R"({"model_type":"llama","torch_dtype":"float16","tie_word_embeddings":false})";

template <class T>
T valueOf(Result<T> result)
{
    if (!result.ok())
        qFatal("%s", result.error().text().c_str());
    return std::move(result).value();
}

std::string codeOf(const Status& status)
{
    return status.ok() ? "ok" : std::string(codeName(status.error().code));
}

/// Names and contents of all files.
std::map<std::string, std::string> contentOf(const std::string& folder)
{
    std::map<std::string, std::string> content;
    std::error_code error;
    for (const auto& file : fs::directory_iterator(folder, error))
        content[file.path().filename().string()] = valueOf(readWholeFile(file.path().string(), 1 << 28));
    return content;
}

} // namespace

class TestCheckpointFolder : public QObject
{
    Q_OBJECT

    QTemporaryDir m_folder;
    CpuBackend m_backend{std::make_shared<ThreadPool>(2)};
    std::shared_ptr<const Model> m_model;
    std::vector<Decision> m_decisions;
    int m_count = 0;

    std::string newPath() { return m_folder.filePath(QString("out%1").arg(m_count++)).toStdString(); }

    Status write(const ExportOptions& options, const std::string& path, const JobControl& job = {})
    {
        return exportModel(m_backend, *m_model, m_decisions, options, path, job);
    }

    static ExportOptions part(int number, int parts)
    {
        ExportOptions options = ExportFormat::Gptq;
        options.part = number;
        options.parts = parts;
        options.merge = number == 0;
        return options;
    }

private Q_SLOTS:
    void initTestCase()
    {
        std::signal(SIGXFSZ, SIG_IGN);
        m_model = test::makeModel(test::runnableLlamaTensors(), kConfig);
        Policy policy;
        policy.defaultScheme = valueOf(Scheme::parse("int4,group=32"));
        m_decisions = valueOf(policy.resolve(*m_model));
    }

    void shardsAreAsLargeAsAsked()
    {
        ExportOptions options = ExportFormat::Gptq;
        options.shardBytes = 6000;
        const std::string path = newPath();
        QCOMPARE(codeOf(write(options, path)), std::string("ok"));
        const auto index = valueOf(readJson(path + "/model.safetensors.index.json"));
        uint64_t bytes = 0;
        std::map<std::string, uint64_t> inShard;
        const auto written = valueOf(Model::open(path));
        for (const auto& file : written->files())
            bytes += file->size();
        const auto plan = valueOf(planExport(*m_model, m_decisions, options));
        uint64_t planned = 0, all = 0;
        for (const PlanEntry& entry : plan.entries)
            planned += entry.targetBytes;
        for (const auto& [name, text] : contentOf(path))
            all += text.size();
        QCOMPARE(index["metadata"]["total_size"].get<uint64_t>(), planned);
        QCOMPARE(all, plan.fileBytes);
        for (const auto& [tensor, shard] : index["weight_map"].items())
            QVERIFY(fs::exists(path + "/" + shard.get<std::string>()));
        QVERIFY(written->files().size() > 4 && bytes > planned);

        options.shardBytes = 1 << 30;
        const std::string single = newPath();
        QCOMPARE(codeOf(write(options, single)), std::string("ok"));
        QVERIFY(fs::exists(single + "/model.safetensors") && !fs::exists(single + "/model.safetensors.index.json"));
    }

    void partsMakeTheSameWeights()
    {
        const int parts = 3;
        const std::string path = newPath();
        QCOMPARE(codeOf(write(part(2, parts), path)), std::string("ok"));
        QCOMPARE(codeOf(write(part(0, parts), path)), std::string("IndexMissingShard"));
        QVERIFY(fs::exists(path + "/part-2-of-3.json") && !fs::exists(path + "/config.json"));
        QCOMPARE(codeOf(write(part(1, parts), path)), std::string("ok"));
        QCOMPARE(codeOf(write(part(1, 2), path)), std::string("InvalidArgument"));
        const std::string dead = "/.model-00001-of-00002.safetensors.part-";
        for (const char* other : {"2", "3"})
            QVERIFY(writeFileAtomically(path + dead + other + "-of-3.quantloupe-abcdef.part", "left behind").ok());
        QCOMPARE(codeOf(write(part(2, parts), path)), std::string("ok")); // again; only its own leftovers go
        QVERIFY(!fs::exists(path + dead + "2-of-3.quantloupe-abcdef.part"));
        QVERIFY(fs::exists(path + dead + "3-of-3.quantloupe-abcdef.part"));
        const auto before = contentOf(path);
        QVERIFY(std::all_of(before.begin(), before.end(), [](const auto& file) { return file.first.find("part-") != std::string::npos; }));
        QCOMPARE(codeOf(write(part(3, parts), path)), std::string("ok")); // the last one merges
        const auto written = valueOf(Model::open(path));
        ExportOptions options = ExportFormat::Gptq;
        const std::string whole = newPath();
        QCOMPARE(codeOf(write(options, whole)), std::string("ok"));
        const auto reference = valueOf(Model::open(whole));
        QCOMPARE(written->tensors().size(), reference->tensors().size());
        for (size_t i = 0; i < reference->tensors().size(); ++i) {
            const auto a = valueOf(reference->view(int(i))), b = valueOf(written->view(written->indexOf(reference->tensors()[i].name)));
            std::vector<float> x(size_t(a.count())), y(x.size());
            QVERIFY(b.count() == a.count() && a.readRows(0, a.rows(), x.data()).ok() && b.readRows(0, b.rows(), y.data()).ok());
            QVERIFY2(x == y, reference->tensors()[i].name.c_str());
        }
        auto files = contentOf(path);
        QVERIFY(std::none_of(files.begin(), files.end(), [](const auto& file) { return file.first.find("part-") != std::string::npos; }));
        QCOMPARE(files["config.json"], contentOf(whole)["config.json"]);
        QCOMPARE(codeOf(write(part(1, parts), path)), std::string("CannotWrite")); // it is complete
        QCOMPARE(codeOf(write(part(0, parts), path)), std::string("ok"));
    }

    void mergingMayBeRepeated()
    {
        const std::string path = newPath();
        QCOMPARE(codeOf(write(part(1, 2), path)), std::string("ok"));
        QCOMPARE(codeOf(write(part(2, 2), path)), std::string("ok"));
        const auto whole = contentOf(path);
        // As if the merging process had died after its first file.
        fs::remove(path + "/config.json");
        fs::remove(path + "/model.safetensors.index.json");
        QCOMPARE(codeOf(write(part(0, 2), path)), std::string("IndexMissingShard"));
        QCOMPARE(codeOf(write(part(1, 2), path)), std::string("ok"));
        QCOMPARE(codeOf(write(part(2, 2), path)), std::string("ok"));
        QVERIFY(contentOf(path) == whole);
    }

    /// Parts of a model: engines, and this program, open the first and find the others.
    void partsAreASplitModel()
    {
        const auto model = test::runnableLlama();
        const std::string folder = newPath(), target = folder + "/split.gguf";
        fs::create_directory(folder);
        ExportOptions options = ExportFormat::Gguf;
        QVERIFY(exportModel(m_backend, *model, m_decisions, options, folder + "/whole.gguf", {}).ok());
        const auto whole = valueOf(Model::open(folder + "/whole.gguf"));
        options.parts = 3;
        const auto plan = valueOf(planExport(*model, m_decisions, options));
        uint64_t bytes = 0;
        for (const int part : {3, 1, 2}) {
            options.part = part;
            QVERIFY(exportModel(m_backend, *model, m_decisions, options, target, {}).ok());
            bytes += fs::file_size(folder + "/split-0000" + std::to_string(part) + "-of-00003.gguf");
            const auto own = std::count_if(plan.entries.begin(), plan.entries.end(), [&](const auto& entry) { return entry.part == part; });
            QVERIFY(own > 0 && own < 20);
        }
        QCOMPARE(bytes, plan.fileBytes);
        const auto split = valueOf(Model::open(folder + "/split-00001-of-00003.gguf"));
        QCOMPARE(split->tensors().size(), whole->tensors().size());
        for (const TensorInfo& tensor : whole->tensors()) {
            const auto a = valueOf(whole->view(whole->indexOf(tensor.name))), b = valueOf(split->view(split->indexOf(tensor.name)));
            std::vector<float> x(size_t(a.count())), y(x.size());
            QVERIFY(a.readRows(0, a.rows(), x.data()).ok() && b.readRows(0, b.rows(), y.data()).ok());
            QVERIFY2(x == y, tensor.name.c_str());
        }
        QVERIFY(split->metadata().at("general.architecture") == whole->metadata().at("general.architecture"));
        options.parts = 40; // more than there are tensors
        QCOMPARE(planExport(*model, m_decisions, options).error().code, ErrorCode::InvalidArgument);
        options.parts = 3;
        options.part = 0;
        options.merge = true;
        QCOMPARE(exportModel(m_backend, *model, m_decisions, options, target, {}).error().code, ErrorCode::InvalidArgument);
    }

    void singleFilesHaveNoParts()
    {
        ExportOptions options = part(1, 2);
        options.format = ExportFormat::Codes;
        QCOMPARE(codeOf(write(options, newPath())), std::string("Unsupported"));
    }

    void existingFoldersAreReplacedOnRequest()
    {
        const std::string path = newPath();
        ExportOptions options = ExportFormat::Gptq;
        fs::create_directory(path); // an empty one gives way
        QCOMPARE(codeOf(write(options, path)), std::string("ok"));
        const auto first = contentOf(path);
        QCOMPARE(codeOf(write(options, path)), std::string("CannotWrite"));
        QVERIFY(contentOf(path) == first);
        options.replace = true;
        options.format = ExportFormat::Awq;
        QCOMPARE(codeOf(write(options, path)), std::string("ok"));
        QVERIFY(contentOf(path) != first);
        fs::create_directory(path + "/notes"); // no longer only a checkpoint
        QCOMPARE(codeOf(write(options, path)), std::string("CannotWrite"));
        QCOMPARE(codeOf(write(options, path + "/config.json")), std::string("CannotWrite"));
        QCOMPARE(codeOf(write(options, "/proc/nowhere/out")), std::string("CannotWrite"));
    }

    void theSourceIsNeverTheTarget()
    {
        const std::string source = newPath();
        QCOMPARE(codeOf(write(ExportFormat::Mlx, source)), std::string("ok"));
        Policy keep;
        const auto opened = valueOf(Model::open(source));
        const auto decisions = valueOf(keep.resolve(*opened));
        ExportOptions options = ExportFormat::Awq;
        options.replace = true;
        const auto before = contentOf(source);
        const std::string link = newPath(), other = newPath();
        fs::create_directory_symlink(source, link);
        fs::create_directory(other);
        fs::create_hard_link(source + "/model.safetensors", other + "/model.safetensors");
        fs::copy_file(source + "/config.json", other + "/config.json");
        for (const std::string& target : {source, link, other, source + "/"})
            QCOMPARE(codeOf(exportModel(m_backend, *opened, decisions, options, target, {})), std::string("TargetIsSource"));
        QVERIFY(contentOf(source) == before);
    }

    void readOnlyFoldersAreSaid()
    {
        const std::string folder = newPath();
        fs::create_directory(folder);
        fs::permissions(folder, fs::perms::owner_read | fs::perms::owner_exec);
        const pid_t child = fork();
        if (child == 0) {
            if (geteuid() == 0 && setuid(65534) != 0)
                _exit(2);
            CpuBackend backend(std::make_shared<ThreadPool>(1));
            const Status status = exportModel(backend, *m_model, m_decisions, ExportFormat::Gptq, folder + "/out", {});
            _exit(!status.ok() && status.error().code == ErrorCode::CannotWrite ? 0 : 1);
        }
        int status = 0;
        waitpid(child, &status, 0);
        QVERIFY(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        fs::permissions(folder, fs::perms::owner_all);
        QVERIFY(fs::is_empty(folder));
    }

    /// A limit on the size of files stands for a disk that runs full in the middle of a shard.
    void fullDisksLeaveNothing_data()
    {
        QTest::addColumn<QString>("format");
        for (const ExportFormat format : kExportFormats)
            QTest::newRow(exportFormatName(format).data()) << QString::fromLatin1(exportFormatName(format).data());
    }
    void fullDisksLeaveNothing()
    {
        QFETCH(QString, format);
        const std::string folder = newPath();
        fs::create_directory(folder);
        const pid_t child = fork();
        if (child == 0) {
            const rlimit limit{10000, 10000};
            setrlimit(RLIMIT_FSIZE, &limit);
            CpuBackend backend(std::make_shared<ThreadPool>(1));
            const auto runnable = test::makeModel(test::runnableLlamaTensors(), test::kRunnableLlamaConfig);
            const Status status = exportModel(backend, *runnable, m_decisions, *exportFormatFromName(format.toStdString()),
                                              folder + "/out", {});
            const bool named = !status.ok() && status.error().where.find(folder + "/out") != std::string::npos;
            _exit(named && status.error().kind() == ErrorKind::CannotWrite ? 0 : 1);
        }
        int status = 0;
        waitpid(child, &status, 0);
        QVERIFY(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        QVERIFY(fs::is_empty(folder));
    }

    /// Fifty exports killed at random moments: the old folder whole, or the new one whole, and leftovers are swept.
    void killedExportsLeaveWholeFolders()
    {
        const std::string folder = newPath(), path = folder + "/out";
        fs::create_directory(folder);
        ExportOptions first = ExportFormat::Gptq, second = ExportFormat::Awq;
        first.replace = second.replace = true;
        first.shardBytes = second.shardBytes = 20000;
        const std::string a = newPath(), b = newPath();
        QElapsedTimer timer;
        timer.start();
        QVERIFY(write(first, a).ok() && write(second, b).ok() && write(first, path).ok());
        const auto longest = unsigned(timer.nsecsElapsed() / 1000 / 2); // one and a half exports
        const auto expectedA = contentOf(a), expectedB = contentOf(b);
        std::mt19937 random(7);
        int killed = 0;
        for (int round = 0; round < 50; ++round) {
            const pid_t child = fork();
            if (child == 0) {
                CpuBackend backend(std::make_shared<ThreadPool>(1));
                (void)exportModel(backend, *m_model, m_decisions, round % 2 ? first : second, path, {});
                _exit(0);
            }
            usleep(useconds_t(random() % longest));
            kill(child, SIGKILL);
            int status = 0;
            waitpid(child, &status, 0);
            killed += WIFSIGNALED(status);
            const auto found = contentOf(path);
            QVERIFY2(found == expectedA || found == expectedB, qPrintable(QString::number(found.size())));
        }
        const auto left = std::distance(fs::directory_iterator(folder), fs::directory_iterator()) - 1;
        qInfo("%d of 50 exports were killed", killed);
        QVERIFY(killed > 0 && left <= 1); // every export sweeps what the one before left
        AtomicFile::sweep(folder);
        QCOMPARE(std::distance(fs::directory_iterator(folder), fs::directory_iterator()), std::ptrdiff_t(1));
    }

    /// What a start of the program does: killed exports are swept by their notes, those that run are left alone.
    void killedExportsAreSweptAtTheNextStart_data()
    {
        QTest::addColumn<QString>("format");
        QTest::addColumn<int>("parts");
        QTest::newRow("folder") << "gptq" << 0;
        QTest::newRow("file") << "codes" << 0;
        QTest::newRow("part of a folder") << "gptq" << 2;
    }
    void killedExportsAreSweptAtTheNextStart()
    {
        QFETCH(QString, format);
        QFETCH(int, parts);
        const std::string folder = newPath(), notes = newPath(), target = folder + "/out/";
        fs::create_directory(folder);
        ExportOptions options = parts ? part(1, parts) : ExportOptions(*exportFormatFromName(format.toStdString()));
        int toParent[2] = {};
        QCOMPARE(pipe(toParent), 0);
        const pid_t child = fork();
        if (child == 0) {
            const ExportNote note(notes, target, options);
            CpuBackend backend(std::make_shared<ThreadPool>(1));
            JobControl job;
            job.progress = [&](uint64_t, uint64_t) { // in the middle of it, until somebody kills
                if (::write(toParent[1], "x", 1) == 1)
                    pause();
            };
            (void)exportModel(backend, *m_model, m_decisions, options, parts ? target : folder + "/out", job);
            _exit(1);
        }
        char begun = 0;
        QCOMPARE(::read(toParent[0], &begun, 1), ssize_t(1));
        const auto left = [&] {
            int count = 0;
            for (const auto& entry : fs::recursive_directory_iterator(folder))
                count += entry.path().filename().string().ends_with(".part");
            return count;
        };
        QCOMPARE(sweepKilledExports(notes), 0); // it runs
        QVERIFY(left() >= 1);
        kill(child, SIGKILL);
        waitpid(child, nullptr, 0);
        close(toParent[0]);
        close(toParent[1]);
        QVERIFY(left() >= 1);
        QCOMPARE(sweepKilledExports(notes), 1);
        QCOMPARE(left(), 0);
        QVERIFY(fs::is_empty(notes));
        QCOMPARE(sweepKilledExports(notes), 0);
    }

    void notesGoWithTheirExports()
    {
        const std::string notes = newPath(), folder = newPath();
        fs::create_directory(folder);
        {
            const ExportNote one(notes, folder + "/a", ExportFormat::Gptq), two(notes, folder + "/b", ExportFormat::Gguf);
            QCOMPARE(std::distance(fs::directory_iterator(notes), fs::directory_iterator()), std::ptrdiff_t(2));
        }
        QVERIFY(fs::is_empty(notes));
        const ExportNote nowhere("/proc/nowhere", folder + "/a", ExportFormat::Gptq), none("", folder + "/a", ExportFormat::Gptq);
        // Broken notes go, those of other machines stay.
        QVERIFY(writeFileAtomically(notes + "/1-0.export", "half a").ok());
        QVERIFY(writeFileAtomically(notes + "/1-1.export", "another machine\n\n" + folder).ok());
        QVERIFY(writeFileAtomically(folder + "/.x.quantloupe-abcdef.part", "left behind").ok());
        QCOMPARE(sweepKilledExports(notes), 0);
        QVERIFY(!fs::exists(notes + "/1-0.export") && fs::exists(notes + "/1-1.export"));
        QVERIFY(fs::exists(folder + "/.x.quantloupe-abcdef.part"));
        QCOMPARE(sweepKilledExports("/nowhere"), 0);
    }

    void livingFoldersAreNotSwept()
    {
        const std::string folder = newPath();
        fs::create_directory(folder);
        {
            const auto living = valueOf(AtomicFolder::create(folder + "/out", {}, 0, false));
            QCOMPARE(AtomicFile::sweep(folder), 0);
            QVERIFY(fs::exists(living.path()));
        }
        QVERIFY(fs::is_empty(folder));
    }

    void cancelledExportsLeaveNothing()
    {
        std::stop_source stop;
        const JobControl job{stop.get_token(), [&](uint64_t done, uint64_t total) {
                                 if (done > total / 2)
                                     stop.request_stop();
                             }};
        const std::string folder = newPath();
        fs::create_directory(folder);
        QCOMPARE(codeOf(write(ExportFormat::CompressedTensors, folder + "/out", job)), std::string("Cancelled"));
        QVERIFY(fs::is_empty(folder));
    }
};

QTEST_GUILESS_MAIN(TestCheckpointFolder)
#include "tst_checkpointfolder.moc"
